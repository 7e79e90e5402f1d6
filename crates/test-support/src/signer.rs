//! Tokens like the users service's, signed with a key pair of the test's own.

use aws_lc_rs::encoding::{AsDer, Pkcs8V2Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

/// A key pair and its name.
pub struct Signer {
    kid: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub fn new(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Ed25519KeyPair::generate().expect("a random key pair") }
    }

    /// The body of `/.well-known/jwks.json`.
    pub fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x}]})
    }

    /// A token that is good for a minute.
    pub fn token(&self, user: Uuid, handle: &str) -> String {
        self.token_with(&json!({"sub": user, "handle": handle}))
    }

    /// Good claims with `changes` on top; `null` takes a claim away.
    pub fn token_with(&self, changes: &Value) -> String {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "iss": "throughline-users", "sub": Uuid::from_u128(1), "handle": "coco",
            "jti": Uuid::from_u128(2), "iat": now, "exp": now + 60,
        });
        for (name, value) in changes.as_object().expect("changes are an object") {
            claims[name] = value.clone();
        }
        claims.as_object_mut().expect("claims are an object").retain(|_, value| !value.is_null());
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let der: Pkcs8V2Der = self.pair.as_der().expect("our own key");
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(der.as_ref())).expect("plain claims")
    }
}
