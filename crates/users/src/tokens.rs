//! Signed tokens: EdDSA over Ed25519, with a key pair that all replicas share through the database.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V2Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;
use service::identity::{Claims, ISSUER};
use uuid::Uuid;

use crate::error::Error;
use crate::store::{SigningKey, Store, StoreError};
use crate::user::User;

/// Signs for this service and says with which keys others may verify.
pub(crate) struct Tokens {
    header: Header,
    key: EncodingKey,
    jwks: JwkSet,
    lifetime: Duration,
}

/// What a sign-up or a sign-in answers.
#[derive(Debug, Serialize)]
pub(crate) struct Session {
    token: String,
    expires_at: DateTime<Utc>,
    user: User,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("key {0} is not an Ed25519 key pair")]
    Malformed(String),
    #[error("the table of signing keys has none that is current")]
    Missing,
}

impl Tokens {
    /// Takes the key pairs from the database and makes the first one if there is none.
    pub(crate) async fn load(store: &Store, lifetime: Duration) -> Result<Self, KeyError> {
        let mut keys = store.signing_keys().await?;
        if !keys.iter().any(|key| key.current) {
            // Of several replicas that start at once, one row wins; all read it back.
            store.create_signing_key(&generate()).await?;
            keys = store.signing_keys().await?;
        }
        let current = keys.iter().find(|key| key.current).ok_or(KeyError::Missing)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(current.kid.clone());
        let key = EncodingKey::from_ed_der(&current.pkcs8);
        let public = keys.iter().map(public_jwk).collect::<Result<Vec<_>, _>>()?;
        let jwks = serde_json::from_value(json!({ "keys": public })).map_err(|_| KeyError::Missing)?;
        Ok(Self { header, key, jwks, lifetime })
    }

    pub(crate) fn jwks(&self) -> &JwkSet {
        &self.jwks
    }

    /// When a session that starts now ends.
    pub(crate) fn expiry(&self) -> DateTime<Utc> {
        Utc::now() + self.lifetime
    }

    /// A token for `user`, of the session `id`.
    pub(crate) fn sign(&self, user: User, id: Uuid, expires_at: DateTime<Utc>) -> Result<Session, Error> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.id,
            handle: user.handle.clone(),
            jti: id,
            iat: Utc::now().timestamp(),
            exp: expires_at.timestamp(),
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(Error::Sign)?;
        Ok(Session { token, expires_at, user })
    }
}

fn generate() -> SigningKey {
    let pair = Ed25519KeyPair::generate().expect("the system's random numbers do not fail");
    let pkcs8 = AsDer::<Pkcs8V2Der<'_>>::as_der(&pair).expect("a key pair of our own has an encoding");
    SigningKey { kid: Uuid::new_v4().to_string(), pkcs8: pkcs8.as_ref().to_vec(), current: true }
}

/// RFC 8037: the public half of an Ed25519 key pair as a JSON Web Key.
fn public_jwk(key: &SigningKey) -> Result<serde_json::Value, KeyError> {
    let pair = Ed25519KeyPair::from_pkcs8(&key.pkcs8).map_err(|_| KeyError::Malformed(key.kid.clone()))?;
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    Ok(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": x}))
}
