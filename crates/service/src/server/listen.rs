use std::fmt;
use std::str::FromStr;

/// `HOST:PORT`; port 0 takes a free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    host: String,
    port: u16,
}

#[derive(Debug, thiserror::Error)]
#[error("is not HOST:PORT")]
pub struct ListenError;

impl Listen {
    pub fn loopback(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenError)?;
        let port = port.parse().map_err(|_| ListenError)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6,
            None if host.contains(':') => return Err(ListenError),
            None => host,
        };
        if host.is_empty() {
            return Err(ListenError);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, u16)>) {
        let got = text.parse::<Listen>().ok();
        assert_eq!(got.as_ref().map(Listen::address), expect, "{text}");
        if let Some(listen) = got {
            assert_eq!(listen.to_string(), text);
        }
    }

    #[test]
    fn host_and_port() {
        check("127.0.0.1:0", Some(("127.0.0.1", 0)));
        check("localhost:4567", Some(("localhost", 4567)));
        check("[::1]:80", Some(("::1", 80)));
        check("::1:80", None);
        check(":80", None);
        check("localhost", None);
        check("localhost:", None);
        check("localhost:65536", None);
        check("", None);
    }

    #[test]
    fn only_the_loopback_is_the_loopback() {
        for (text, expect) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("localhost:1", true), ("0.0.0.0:1", false)]
        {
            assert_eq!(text.parse::<Listen>().unwrap().is_loopback(), expect, "{text}");
        }
    }
}
