use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::{self, ServiceConfig};
use aws_lc_rs::encoding::{AsDer, Pkcs8V2Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use service::identity::{Caller, Keys, SignedIn};
use service::server::Ready;
use test_support::free_port;

use crate::support::{Running, settings, start};

/// A key pair under a name.
struct Signer {
    kid: &'static str,
    pair: Ed25519KeyPair,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x}]})
    }

    fn keys(&self) -> Keys {
        Keys::local(&serde_json::from_value(self.jwks()).unwrap())
    }

    /// Good claims with `changes` on top; `null` takes a claim away.
    fn token(&self, changes: &Value) -> String {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "iss": "throughline-users", "sub": USER, "handle": "coco",
            "jti": "01890a5d-ac96-774b-bcce-b302099a8057", "iat": now, "exp": now + 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let der: Pkcs8V2Der = self.pair.as_der().unwrap();
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(der.as_ref())).unwrap()
    }
}

const USER: &str = "0190a5d0-0000-7000-8000-000000000001";

fn who(app: &mut ServiceConfig) {
    app.service(
        web::resource("/caller")
            .to(async |caller: Caller| caller.0.map_or("nobody".to_owned(), |id| id.0.to_string())),
    )
    .service(web::resource("/signed-in").to(async |user: SignedIn| user.handle));
}

fn serve(keys: Keys) -> Running {
    start(&settings(), Ready::new(), move |app| {
        app.app_data(keys.clone()).configure(who);
    })
}

async fn ask(server: &Running, method: &str, path: &str, headers: &str) -> (u16, String) {
    let answer = server
        .raw(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
        .await;
    (answer.status, if answer.status == 200 { answer.body } else { answer.kind() })
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[actix_web::test]
async fn tokens_good_forged_and_expired() {
    let (ours, forger) = (Signer::new("one"), Signer::new("one"));
    let server = serve(ours.keys());
    let good = ours.token(&json!({}));
    let now = chrono::Utc::now().timestamp();
    let payload = good.split('.').nth(1).unwrap();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let hmac = {
        // The public key as an HMAC secret: the classic confusion.
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(ours.pair.public_key().as_ref());
        let claims = json!({"iss": "throughline-users", "sub": USER, "handle": "x", "jti": USER, "iat": now, "exp": now + 60});
        jsonwebtoken::encode(&header, &claims, &secret).unwrap()
    };
    let refused = [
        String::new(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Basic YTpi\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n"),
        bearer("x"),
        bearer("a.b.c"),
        bearer(&good[..good.len() - 10]),
        bearer(&format!("{}.{payload}.", encode(r#"{"alg":"none","kid":"one"}"#))),
        bearer(&hmac),
        bearer(&forger.token(&json!({}))),
        bearer(&Signer::new("two").token(&json!({}))),
        bearer(&ours.token(&json!({"exp": now - 60}))),
        bearer(&ours.token(&json!({"exp": null}))),
        bearer(&ours.token(&json!({"iss": "somebody-else"}))),
        bearer(&ours.token(&json!({"iss": null}))),
        bearer(&ours.token(&json!({"sub": "not-a-uuid"}))),
        bearer(&ours.token(&json!({"handle": "x".repeat(3000)}))),
    ];
    for headers in &refused {
        assert_eq!(
            ask(&server, "GET", "/signed-in", headers).await,
            (401, "unauthorized".to_owned()),
            "{headers}"
        );
        // A bad token is no anonymous caller.
        let expect =
            if headers.is_empty() { (200, "nobody".to_owned()) } else { (401, "unauthorized".to_owned()) };
        assert_eq!(ask(&server, "GET", "/caller", headers).await, expect, "{headers}");
    }
    assert_eq!(ask(&server, "GET", "/signed-in", &bearer(&good)).await, (200, "coco".to_owned()));
    assert_eq!(ask(&server, "GET", "/caller", &bearer(&good)).await, (200, USER.to_owned()));
    assert_eq!(ask(&server, "GET", "/caller", &format!("Cookie: session={good}\r\n")).await.1, "nobody");
}

#[actix_web::test]
async fn a_cookie_writes_only_from_our_own_pages() {
    let ours = Signer::new("one");
    let server = serve(ours.keys().accept_cookie());
    let cookie = format!("Cookie: session={}\r\n", ours.token(&json!({})));
    let check = async |method: &str, more: &str, expect: u16| {
        let (status, _) = ask(&server, method, "/signed-in", &format!("{cookie}{more}")).await;
        assert_eq!(status, expect, "{method} {more}");
    };
    check("GET", "", 200).await;
    check("POST", "", 403).await;
    check("POST", "Sec-Fetch-Site: same-origin\r\n", 200).await;
    check("POST", "Sec-Fetch-Site: cross-site\r\n", 403).await;
    check("POST", "Origin: http://localhost\r\n", 200).await;
    check("POST", "Origin: http://evil.example\r\n", 403).await;
    check("POST", "X-Forwarded-Host: app.example\r\nOrigin: https://app.example\r\n", 200).await;
    // A bearer token is no ambient authority: it needs no origin.
    let (status, _) = ask(&server, "POST", "/signed-in", &bearer(&ours.token(&json!({})))).await;
    assert_eq!(status, 200);
}

#[actix_web::test]
async fn keys_are_fetched_once_and_not_for_every_forgery() {
    let ours = Signer::new("one");
    let (fetches, jwks) = (Arc::new(AtomicUsize::new(0)), ours.jwks());
    let counter = fetches.clone();
    let users = start(&settings(), Ready::new(), move |app| {
        let (counter, jwks) = (counter.clone(), jwks.clone());
        app.service(web::resource("/.well-known/jwks.json").get(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let jwks = jwks.clone();
            async move { web::Json(jwks) }
        }));
    });
    let server = serve(Keys::remote(&users.url()));
    assert_eq!(ask(&server, "GET", "/caller", "").await.0, 200);
    assert_eq!(fetches.load(Ordering::SeqCst), 0, "anonymous reads never need the users service");
    for _ in 0..3 {
        assert_eq!(ask(&server, "GET", "/caller", &bearer(&ours.token(&json!({})))).await.0, 200);
        assert_eq!(ask(&server, "GET", "/caller", &bearer(&Signer::new("x").token(&json!({})))).await.0, 401);
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn without_keys_a_token_cannot_be_judged() {
    let server = serve(Keys::remote(&format!("http://127.0.0.1:{}", free_port())));
    let (status, kind) = ask(&server, "GET", "/caller", &bearer(&Signer::new("one").token(&json!({})))).await;
    assert_eq!((status, kind.as_str()), (503, "unavailable"));
    assert_eq!(ask(&server, "GET", "/caller", "").await.0, 200);
}
