//! What is set: kept in memory, and written before it is answered.

use serde_json::Value;
use tokio::sync::MutexGuard;

use super::Api;
use crate::xray::control::{Control, GroupRequest, Settings};
use crate::xray::error::ApiError;

impl Api {
    pub(super) async fn create_group(&self, request: &GroupRequest) -> Result<Value, ApiError> {
        // Unique is enough for what tells two groups of one name apart.
        let unique = super::super::now().as_nanos() as u64;
        self.change(|control| control.create_group(request, unique)).await
    }

    pub(super) async fn read<T>(
        &self,
        ask: impl FnOnce(&mut Control) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut control = self.control().await?;
        ask(control.as_mut().expect("read from the store above"))
    }

    /// Nothing has changed when the store does not take it.
    pub(super) async fn change<T>(
        &self,
        change: impl FnOnce(&mut Control) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut control = self.control().await?;
        let control = control.as_mut().expect("read from the store above");
        let before = control.settings.clone();
        let answer = change(control)?;
        let settings = serde_json::to_string(&control.settings).expect("text keys are always JSON");
        if let Err(unavailable) = self.store.save_settings(settings).await {
            control.settings = before;
            return Err(unavailable.into());
        }
        Ok(answer)
    }

    async fn control(&self) -> Result<MutexGuard<'_, Option<Control>>, ApiError> {
        let mut control = self.control.lock().await;
        if control.is_none() {
            let settings = self.store.settings().await?;
            let settings = settings.and_then(|text| {
                serde_json::from_str(&text)
                    .inspect_err(
                        |error| tracing::error!(%error, "groups and rules cannot be read: begun anew"),
                    )
                    .ok()
            });
            *control = Some(Control::new(settings.unwrap_or_else(Settings::default)));
        }
        Ok(control)
    }
}
