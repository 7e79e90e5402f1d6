//! The built web app: one page for every address, and its files.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Component, Path, PathBuf};

use actix_files::NamedFile;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use service::Problem;

use crate::Config;

/// Of files whose name changes with their content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// May be kept, must be asked for again.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// A page with a trace in it: kept anywhere, it would put many visits into one trace.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The app's own addresses (web/src/routes.ts), so that their spans have names.
const ADDRESSES: [&str; 7] =
    ["/", "/@{handle}", "/post/{uuid}", "/search", "/notifications", "/sign-in", "/sign-up"];

pub(crate) struct Pages {
    dir: PathBuf,
    console_url: String,
    browser_ratio: f64,
    laboratory: bool,
}

/// Everything but `/assets` and the icon.
pub(crate) fn routes(app: &mut ServiceConfig) {
    for address in ADDRESSES {
        app.service(web::resource(address).get(page).head(page));
    }
    app.default_service(web::to(file_or_page));
}

/// Below `/assets`, where the build puts files with a hash in their names.
pub(crate) fn assets(app: &mut ServiceConfig, pages: Data<Pages>) {
    app.app_data(pages).service(web::resource("/{file:.*}").get(asset).head(asset));
}

/// The icon, which every page asks for and nobody wants to see in a list of traces.
pub(crate) fn icon(app: &mut ServiceConfig, pages: Data<Pages>) {
    app.app_data(pages).service(web::resource("").get(file_or_page).head(file_or_page));
}

impl Pages {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            dir: config.web_dir.clone(),
            console_url: config.console_url.clone(),
            browser_ratio: config.browser_ratio,
            laboratory: config.server.debug_routes,
        }
    }

    /// For `/ready`.
    pub(crate) async fn check(&self) -> Result<(), String> {
        self.read_index().await.map(drop).map_err(|_| "index.html is missing; build the web app".to_owned())
    }

    /// Read at every request: a rebuilt app is served without a restart, and the file is small and cached by the kernel.
    async fn read_index(&self) -> Result<String, Problem> {
        let path = self.dir.join("index.html");
        let read = telemetry::block(move || std::fs::read_to_string(path)).await;
        match read {
            Ok(Ok(html)) => Ok(html),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(Problem::unavailable("the web app is not built; run `npm run build`"))
            }
            Ok(Err(error)) => Err(Problem::internal(&error)),
            Err(error) => Err(Problem::internal(&error)),
        }
    }

    /// What the server knows and the page needs (web/src/page.ts).
    fn head(&self, traceparent: Option<&str>) -> String {
        let mut head = String::new();
        let ratio = self.browser_ratio.to_string();
        let metas = [
            ("traceparent", traceparent),
            ("sampling-ratio", Some(ratio.as_str())),
            ("console-url", Some(self.console_url.as_str())),
            ("laboratory", self.laboratory.then_some("open")),
        ];
        for (name, content) in metas {
            if let Some(content) = content {
                let _ = write!(head, "<meta name=\"{name}\" content=\"{}\" />", escaped(content));
            }
        }
        head
    }
}

async fn page(request: HttpRequest, pages: Data<Pages>) -> Result<HttpResponse, Problem> {
    let traceparent = telemetry::current::traceparent().filter(|_| telemetry::current::is_sampled());
    let html = pages.read_index().await?;
    let html = html.replacen("<head>", &format!("<head>{}", pages.head(traceparent.as_deref())), 1);
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/html; charset=utf-8"));
    if traceparent.is_some() {
        response.insert_header((CACHE_CONTROL, NO_STORE));
    } else {
        let tag = tag_of(&html);
        response.insert_header((CACHE_CONTROL, REVALIDATE)).insert_header((ETAG, tag.as_str()));
        if request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
            return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
        }
    }
    Ok(response.body(html))
}

async fn asset(request: HttpRequest, pages: Data<Pages>) -> Result<HttpResponse, Problem> {
    let file = open(&pages.dir, request.path()).await?.ok_or_else(no_such_file)?;
    Ok(serve(&request, file, FOREVER))
}

/// A file at the top of the app (its icon), else the page, which says itself when there is nothing.
async fn file_or_page(request: HttpRequest, pages: Data<Pages>) -> Result<HttpResponse, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::method_not_allowed(Some(HeaderValue::from_static("GET, HEAD"))));
    }
    if let Some(file) = open(&pages.dir, request.path()).await? {
        return Ok(serve(&request, file, REVALIDATE));
    }
    // `/missing.js` must not be answered with a page.
    if request.path().rsplit('/').next().is_some_and(|name| name.contains('.')) {
        return Err(no_such_file());
    }
    page(request, pages).await
}

fn serve(request: &HttpRequest, file: NamedFile, cache: HeaderValue) -> HttpResponse {
    let mut response = file.prefer_utf8(true).into_response(request);
    response.headers_mut().insert(CACHE_CONTROL, cache);
    response
}

/// `None` where there is no file. Only plain names below the folder: no `..`, no absolute path, no hidden file.
async fn open(dir: &Path, path: &str) -> Result<Option<NamedFile>, Problem> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = relative.components().all(|part| match part {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    });
    if !plain || relative.as_os_str().is_empty() || relative == Path::new("index.html") {
        return Ok(None);
    }
    let file = dir.join(relative);
    let opened = telemetry::block(move || match NamedFile::open(file) {
        Ok(file) if file.metadata().is_file() => Some(file),
        _ => None,
    });
    opened.await.map_err(|error| Problem::internal(&error))
}

fn no_such_file() -> Problem {
    Problem::not_found("there is no such file")
}

fn tag_of(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// For a double-quoted attribute of HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
