//! The origins of web pages that a configuration names, brought to the form in which browsers send them.

use super::check::shown;
use super::findings::Findings;
use super::path::Path;
use crate::domain::config::Severity;
use serde_yaml::Value;

/// Any page.
const ANY: &str = "*";

/// The origins of `gateway.cors_origins`, each in its one form; what is none is an error at its place. `keys`: whether
/// the gateway asks for one.
pub fn read(value: &Value, keys: bool, findings: &mut Findings<'_>) -> Vec<String> {
    let list = Path::of("gateway.cors_origins");
    let mut origins = Vec::new();
    for (index, item) in list.find(value).and_then(Value::as_sequence).into_iter().flatten().enumerate() {
        // What is no text was said by the check of shapes; what is empty was a variable's default.
        let Some(written) = item.as_str().filter(|text| !text.trim().is_empty()) else { continue };
        if written == ANY && !keys {
            findings.value(
                Severity::Error,
                &list.index(index),
                "* lets a page of any web site use the gateway, and no key is needed there",
                "name the pages' origins, as in https://app.example, or add gateway.api_keys",
            );
            continue;
        }
        match if written == ANY { Ok(written.to_owned()) } else { origin(written) } {
            Ok(origin) => origins.push(origin),
            Err(wrong) => findings.value(
                Severity::Error,
                &list.index(index),
                format!("{} is not the origin of a page: {}", shown(written), wrong.why),
                wrong.remedy,
            ),
        }
    }
    origins
}

#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    why: &'static str,
    remedy: String,
}

/// `scheme://host` or `scheme://host:port` in small letters, without the scheme's usual port.
fn origin(written: &str) -> Result<String, Wrong> {
    let wrong = |why, remedy: &str| Err(Wrong { why, remedy: remedy.to_owned() });
    let example = "write it as in https://app.example or http://localhost:3000";
    let text = written.trim().to_ascii_lowercase();
    if text == "null" || text.starts_with("file:") {
        let why = "files and sandboxed frames have none, and any site can make such a frame";
        return wrong(why, "serve the page from an address, and name that");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("it has no scheme", example);
    };
    let word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(word) {
        return wrong("its scheme cannot be read", example);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return wrong("an origin holds no user name or password", example);
    }
    if authority.contains('*') {
        return wrong("a part of a name cannot stand for many", "name each origin, or * for all of them beside keys");
    }
    if authority.len() < rest.len() {
        return wrong("it goes on after the host, and browsers send no path", &format!("write {scheme}://{authority}"));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let address = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let named = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    if !named {
        return wrong("its host cannot be read; a name outside ASCII is written as in xn--bcher-kva.example", example);
    }
    match port.map(str::parse::<u16>) {
        None => Ok(text),
        Some(Ok(80)) if scheme == "http" => Ok(format!("http://{host}")),
        Some(Ok(443)) if scheme == "https" => Ok(format!("https://{host}")),
        Some(Ok(port)) if port > 0 => Ok(format!("{scheme}://{host}:{port}")),
        Some(_) => wrong("its port is no number from 1 to 65535", example),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_origin_takes_the_form_that_browsers_send() {
        for (written, sent) in [
            ("https://app.example", "https://app.example"),
            (" HTTPS://App.Example:443 ", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
            ("tauri://localhost", "tauri://localhost"),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
            ("https://app.example:8443", "https://app.example:8443"),
        ] {
            assert_eq!(origin(written).as_deref(), Ok(sent), "{written}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_what_to_write() {
        for (written, why, remedy) in [
            ("https://app.example/", "goes on after the host", "write https://app.example"),
            ("https://app.example/chat?x=1", "goes on after the host", "write https://app.example"),
            ("app.example", "no scheme", "https://app.example"),
            ("null", "sandboxed", "serve the page"),
            ("file:///home/me/page.html", "sandboxed", "serve the page"),
            ("https://*.example", "stand for many", "name each origin"),
            ("https://me:pw@app.example", "user name", "https://app.example"),
            ("https://", "host", "https://app.example"),
            ("https://b\u{fc}cher.example", "outside ASCII", "https://app.example"),
            ("http://localhost:99999", "port", "http://localhost:3000"),
            ("http://[::1", "host", "http://localhost:3000"),
            ("1://x", "scheme", "https://app.example"),
        ] {
            let wrong = origin(written).unwrap_err();
            assert!(wrong.why.contains(why) && wrong.remedy.contains(remedy), "{written}: {wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_an_accepted_origin_is_in_its_form_already(written in "\\PC{0,40}|https?://[a-zA-Z.:0-9/\\[\\]]{0,20}") {
            if let Ok(made) = origin(&written) {
                prop_assert_eq!(origin(&made), Ok(made.clone()));
                prop_assert!(made.is_ascii() && !made.ends_with('/'));
            }
        }
    }
}
