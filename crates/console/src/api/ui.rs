//! The built UI, from disk: cargo runs before npm, so it cannot be compiled in.

use std::path::{Component, Path, PathBuf};

use actix_files::NamedFile;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use actix_web::web::{Data, Html};
use actix_web::{HttpRequest, HttpResponse, Responder};
use service::Problem;

use super::Api;

/// Attribute keys, log lines and names come from strangers: no script but the UI's own files ever runs.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const NOT_BUILT: &str = "<!doctype html><title>console</title><h1>The console receives traces; its pages are not built</h1>
<p>Build them with <code>npm ci &amp;&amp; npm run build</code>, or start everything with <code>throughline up</code>, which does.</p>
<p>Until then: <a href=\"/api/traces\">/api/traces</a>, <a href=\"/api/stats\">/api/stats</a>.</p>";

/// A file of the UI; a path without a dot is a page of the app, which routes by itself.
pub(super) async fn file(request: HttpRequest, api: Data<Api>) -> Result<HttpResponse, Problem> {
    file_of(&request, &api.ui_dir)
}

pub(crate) fn file_of(request: &HttpRequest, ui_dir: &Path) -> Result<HttpResponse, Problem> {
    let path = request.path().trim_start_matches('/');
    let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let is_asset = path.starts_with("assets/");
    let response = if is_page {
        match NamedFile::open(ui_dir.join("index.html")) {
            Ok(index) => index.use_etag(true).respond_to(request).map_into_boxed_body(),
            Err(_) => Html::new(NOT_BUILT).respond_to(request).map_into_boxed_body(),
        }
    } else {
        let not_found = || Problem::not_found("there is no such file");
        let file = inside(ui_dir, path).ok_or_else(not_found)?;
        let file = NamedFile::open(file).map_err(|_| not_found())?;
        file.respond_to(request).map_into_boxed_body()
    };
    // Names under assets/ hold a hash of their content.
    let caching = if is_asset && !is_page { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(secured(response, caching))
}

fn secured(mut response: HttpResponse, caching: &'static str) -> HttpResponse {
    let headers = response.headers_mut();
    for (name, value) in
        [(CACHE_CONTROL, caching), (CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "no-referrer")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The path below `root`, unless it climbs out of it. The path is not percent-decoded: the UI's names need none.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| root.join(path))
}
