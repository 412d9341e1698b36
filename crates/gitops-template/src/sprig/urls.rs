//! `urlParse` and `urlJoin`, on URLs as Go's `net/url` reads and writes them.

use std::net::Ipv6Addr;

use super::{Table, bytes, map, nil_pointer, text};
use crate::error::{Error, Result};
use crate::format::quote::quote;
use crate::text::Str;
use crate::value::{Kind, Map, Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::String;
    table.add("urlParse", &[String], Type::ANY_MAP, |_, a| {
        let raw = text(&a[0]);
        let url = Url::parse(raw)
            .map_err(|message| Error::new(format!("unable to parse url: {message}")))?;
        let hostname = url.hostname().to_vec();
        let userinfo = url.user.as_ref().map(User::print).unwrap_or_default();
        let entries = [
            ("scheme", url.scheme),
            ("host", url.host),
            ("hostname", hostname),
            ("path", url.path),
            ("query", url.query),
            ("opaque", url.opaque),
            ("fragment", url.fragment),
            ("userinfo", userinfo),
        ];
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Str::from_static(key), bytes(value)));
        Ok(Value::Map(entries.collect()))
    });
    table.add("urlJoin", &[Type::ANY_MAP], String, |_, a| {
        let parts = map(&a[0]);
        let mut url = Url {
            scheme: part(&parts, "scheme")?,
            host: part(&parts, "host")?,
            path: part(&parts, "path")?,
            query: part(&parts, "query")?,
            opaque: part(&parts, "opaque")?,
            fragment: part(&parts, "fragment")?,
            ..Url::default()
        };
        let userinfo = part(&parts, "userinfo")?;
        if !userinfo.is_empty() {
            let text = [b"proto://", userinfo.as_slice(), b"@host"].concat();
            let parsed = Url::parse(&text).map_err(|message| {
                Error::new(format!("unable to parse userinfo in dict: {message}"))
            })?;
            url.user = parsed.user;
        }
        Ok(bytes(url.print()))
    });
}

fn part(parts: &Map, key: &str) -> Result<Vec<u8>> {
    match parts.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.as_bytes().to_vec()),
        Some(value) if value.kind() == Kind::Invalid => Err(nil_pointer()),
        Some(other) => Err(Error::new(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind()
        ))),
    }
}

/// The part of a URL that text is escaped for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    User,
    Host,
    Zone,
    Fragment,
}

fn must_escape(byte: u8, place: Place) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
        | b'[' | b']' | b'<' | b'>' | b'"'
            if matches!(place, Place::Host | Place::Zone) =>
        {
            false
        }
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match place {
            Place::Path => byte == b'?',
            Place::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Place::Fragment => false,
            Place::Host | Place::Zone => true,
        },
        b'!' | b'(' | b')' | b'*' => place != Place::Fragment,
        _ => true,
    }
}

fn escape(text: &[u8], place: Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if must_escape(*byte, place) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

fn unescape(text: &[u8], place: Place) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let in_host = matches!(place, Place::Host | Place::Zone);
    while let Some(byte) = text.get(at) {
        if *byte != b'%' {
            if in_host && byte.is_ascii() && must_escape(*byte, place) {
                return Err(format!(
                    "invalid character {} in host name",
                    quote(&[*byte])
                ));
            }
            out.push(*byte);
            at += 1;
            continue;
        }
        let escape = &text[at..text.len().min(at + 3)];
        let invalid = || format!("invalid URL escape {}", quote(escape));
        let digit = |at: usize| {
            escape
                .get(at)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        let (Some(high), Some(low)) = (digit(1), digit(2)) else {
            return Err(invalid());
        };
        let value = (high << 4 | low) as u8;
        let is_percent = escape == b"%25";
        if place == Place::Host && high < 8 && !is_percent {
            return Err(invalid());
        }
        if place == Place::Zone && !is_percent && value != b' ' && must_escape(value, Place::Host) {
            return Err(invalid());
        }
        out.push(value);
        at += 3;
    }
    Ok(out)
}

struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl User {
    fn print(&self) -> Vec<u8> {
        let mut out = escape(&self.name, Place::User);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Place::User));
        }
        out
    }
}

#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
}

/// Splits at the first of a byte.
fn split(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(found) => (&text[..found], Some(&text[found + 1..])),
        None => (text, None),
    }
}

impl Url {
    fn parse(raw: &[u8]) -> Result<Self, String> {
        let (text, fragment) = split(raw, b'#');
        let failed = |text: &[u8], message: String| format!("parse {}: {message}", quote(text));
        let mut url = Self::parse_text(text).map_err(|message| failed(text, message))?;
        if let Some(fragment) = fragment {
            url.fragment =
                unescape(fragment, Place::Fragment).map_err(|message| failed(raw, message))?;
        }
        Ok(url)
    }

    fn parse_text(text: &[u8]) -> Result<Self, String> {
        if text.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
            return Err(String::from("net/url: invalid control character in URL"));
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = split(rest, b'?');
        url.query = query.unwrap_or_default().to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if split(rest, b'/').0.contains(&b':') {
                return Err(String::from(
                    "first path segment in URL cannot contain colon",
                ));
            }
        }
        if rest.starts_with(b"//") && (!url.scheme.is_empty() || !rest.starts_with(b"///")) {
            let end = memchr::memchr(b'/', &rest[2..]).map_or(rest.len(), |at| at + 2);
            let authority = &rest[2..end];
            rest = &rest[end..];
            url.set_authority(authority)?;
        }
        url.path = unescape(rest, Place::Path)?;
        Ok(url)
    }

    fn set_authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let at = memchr::memrchr(b'@', authority);
        self.host = parse_host(&self.scheme, &authority[at.map_or(0, |at| at + 1)..])?;
        let Some(at) = at else { return Ok(()) };
        let userinfo = &authority[..at];
        let valid =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
        if !userinfo.iter().all(valid) {
            return Err(String::from("net/url: invalid userinfo"));
        }
        let (name, password) = split(userinfo, b':');
        self.user = Some(User {
            name: unescape(name, Place::User)?,
            password: password
                .map(|text| unescape(text, Place::User))
                .transpose()?,
        });
        Ok(())
    }

    /// Returns the host without its port and without brackets.
    fn hostname(&self) -> &[u8] {
        let mut host = self.host.as_slice();
        if let Some(colon) = memchr::memrchr(b':', host)
            && is_port(&host[colon..])
        {
            host = &host[..colon];
        }
        host.strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .unwrap_or(host)
    }

    fn print(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.print_place(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Place::Fragment));
        }
        out
    }

    fn print_place(&self, out: &mut Vec<u8>) {
        let has_host = !self.host.is_empty();
        if !self.scheme.is_empty() || has_host || self.user.is_some() {
            if has_host || !self.path.is_empty() || self.user.is_some() {
                out.extend_from_slice(b"//");
            }
            if let Some(user) = &self.user {
                out.extend(user.print());
                out.push(b'@');
            }
            out.extend(escape(&self.host, Place::Host));
        }
        let path = if self.path == b"*" {
            b"*".to_vec()
        } else {
            escape(&self.path, Place::Path)
        };
        if !path.is_empty() && !path.starts_with(b"/") && has_host {
            out.push(b'/');
        }
        if out.is_empty() && split(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

fn split_scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err(String::from("missing protocol scheme")),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

/// Tells whether a text is empty or a colon and a number.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', port)) => port.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

fn check_port(text: &[u8]) -> Result<(), String> {
    if is_port(text) {
        Ok(())
    } else {
        Err(format!("invalid port {} after host", quote(text)))
    }
}

fn parse_host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    match memchr::memrchr(b'[', host) {
        Some(0) => return parse_bracketed(host),
        Some(_) => return Err(String::from("invalid IP-literal")),
        None => {}
    }
    if let Some(first) = memchr::memchr(b':', host) {
        // Only web addresses must not have more colons: other schemes list several hosts.
        let strict = matches!(scheme, b"http" | b"https");
        let last = memchr::memrchr(b':', host).unwrap_or(first);
        check_port(&host[if strict { first } else { last }..])?;
    }
    unescape(host, Place::Host)
}

fn parse_bracketed(host: &[u8]) -> Result<Vec<u8>, String> {
    let close = memchr::memrchr(b']', host).ok_or("missing ']' in host")?;
    check_port(&host[close + 1..])?;
    let port = unescape(&host[close + 1..], Place::Host)?;
    let inner = &host[1..close];
    let address = match memchr::memmem::find(inner, b"%25") {
        Some(zone) => [
            unescape(&inner[..zone], Place::Host)?,
            unescape(&inner[zone..], Place::Zone)?,
        ]
        .concat(),
        None => unescape(inner, Place::Host)?,
    };
    let text = String::from_utf8_lossy(&address);
    let (number, zone) = text
        .split_once('%')
        .map_or((&*text, None), |(a, b)| (a, Some(b)));
    if number.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(String::from("invalid IP-literal"));
    }
    if number.parse::<Ipv6Addr>().is_err() || zone == Some("") {
        let shown = quote(text.as_bytes());
        return Err(format!(
            "invalid host: ParseAddr({shown}): unable to parse IP"
        ));
    }
    Ok([b"[", address.as_slice(), b"]", port.as_slice()].concat())
}
