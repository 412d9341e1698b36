//! Passwords, keys, certificates and encryption.

use std::fmt::Display;
use std::net::IpAddr;

use aes::Aes256;
use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Table, base64, bytes, from_base64, int, string, text};
use crate::crypto::{Authority, PrivateKey, Request, check_certificate, decode_pem};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::format::display;
use crate::value::{Object, Type, Value};

const CERTIFICATE: &str = "sprig.certificate";
const BLOCK: usize = 16;

/// How many bits the keys of certificates have.
const RSA_BITS: usize = 2048;

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Int, String};
    const LIST: Type = Type::ANY_LIST;
    const CERT: Type = Type::Object(CERTIFICATE);
    table.add("bcrypt", &[String], String, |context, a| {
        Ok(Value::from(bcrypt(context, text(&a[0]))?))
    });
    table.add("htpasswd", &[String, String], String, |context, a| {
        let user = string(&a[0]).to_text().into_owned();
        if user.contains(':') {
            return Ok(Value::from(format!("invalid username: {user}")));
        }
        let hash = bcrypt(context, text(&a[1]))?;
        Ok(Value::from(format!("{user}:{hash}")))
    });
    table.add(
        "derivePassword",
        &[Type::Uint32, String, String, String, String],
        String,
        |context, a| {
            context.spend(1_000_000)?;
            let counter = match &a[0] {
                Value::Uint64(counter) => *counter as u32,
                _ => 0,
            };
            let kind = string(&a[1]).to_text().into_owned();
            Ok(Value::from(derive_password(
                counter,
                &kind,
                text(&a[2]),
                text(&a[3]),
                text(&a[4]),
            )))
        },
    );
    table.add("encryptAES", &[String, String], String, |context, a| {
        Ok(Value::from(encrypt(context, text(&a[0]), text(&a[1]))))
    });
    table.add("decryptAES", &[String, String], String, |_, a| {
        decrypt(text(&a[0]), text(&a[1])).map(bytes)
    });
    table.add("genPrivateKey", &[String], String, |context, a| {
        generate_key(context, &string(&a[0]).to_text())
    });
    table.add("buildCustomCert", &[String, String], CERT, |_, a| {
        let decode = |value: &Value, what: &str| {
            from_base64(text(value))
                .map_err(|_| Error::new(format!("unable to decode base64 {what}")))
        };
        let cert = decode(&a[0], "certificate")?;
        let key = decode(&a[1], "private key")?;
        let Some((_, data)) = decode_pem(&cert) else {
            return Err(Error::new("unable to decode certificate"));
        };
        if !check_certificate(&data) {
            return Err(malformed("decodedCert"));
        }
        PrivateKey::from_pem(&key).map_err(|error| failed("parsing private key", &error))?;
        let text = |bytes: Vec<u8>| std::string::String::from_utf8_lossy(&bytes).into_owned();
        Ok(Value::object(Certificate {
            cert: text(cert),
            key: text(key),
        }))
    });
    table.add("genCA", &[String, Int], CERT, |context, a| {
        authority(context, a, None)
    });
    table.add(
        "genCAWithKey",
        &[String, Int, String],
        CERT,
        |context, a| {
            let key = given_key(&a[2])?;
            authority(context, a, Some(key))
        },
    );
    table.add(
        "genSelfSignedCert",
        &[String, LIST, LIST, Int],
        CERT,
        |context, a| issue(context, a, None, None),
    );
    table.add(
        "genSelfSignedCertWithKey",
        &[String, LIST, LIST, Int, String],
        CERT,
        |context, a| {
            let key = given_key(&a[4])?;
            issue(context, a, None, Some(key))
        },
    );
    table.add(
        "genSignedCert",
        &[String, LIST, LIST, Int, CERT],
        CERT,
        |context, a| {
            let signer = a[4].clone();
            issue(context, a, Some(&signer), None)
        },
    );
    table.add(
        "genSignedCertWithKey",
        &[String, LIST, LIST, Int, CERT, String],
        CERT,
        |context, a| {
            let key = given_key(&a[5])?;
            let signer = a[4].clone();
            issue(context, a, Some(&signer), Some(key))
        },
    );
}

/// A certificate and its key, as fields of a struct.
struct Certificate {
    cert: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        CERTIFICATE
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::from(self.cert.as_str())),
            "Key" => Some(Value::from(self.key.as_str())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Cert", Value::from(self.cert.as_str())),
            ("Key", Value::from(self.key.as_str())),
        ]
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other: &dyn std::any::Any = other;
        other
            .downcast_ref::<Self>()
            .is_some_and(|other| self.cert == other.cert && self.key == other.key)
    }
}

fn failed(what: &str, error: &dyn Display) -> Error {
    Error::new(format!("error {what}: {error}"))
}

fn malformed(what: &str) -> Error {
    Error::new(format!(
        "error parsing certificate: {what}.Bytes: x509: malformed certificate"
    ))
}

fn given_key(value: &Value) -> Result<PrivateKey> {
    PrivateKey::from_pem(text(value))
        .map_err(|error| Error::new(format!("parsing private key: {error}")))
}

fn new_key(context: &mut Context<'_>) -> Result<PrivateKey> {
    context.spend(1_000_000)?;
    PrivateKey::rsa(context.random(), RSA_BITS)
        .map_err(|error| failed("generating rsa key", &error))
}

fn authority(
    context: &mut Context<'_>,
    arguments: &[Value],
    key: Option<PrivateKey>,
) -> Result<Value> {
    let key = key.map_or_else(|| new_key(context), Ok)?;
    let request = Request {
        name: string(&arguments[0]).to_text().into_owned(),
        addresses: Vec::new(),
        hosts: Vec::new(),
        days: int(&arguments[1]),
        is_authority: true,
    };
    certify(context, &request, &key, None)
}

fn issue(
    context: &mut Context<'_>,
    arguments: &[Value],
    signer: Option<&Value>,
    key: Option<PrivateKey>,
) -> Result<Value> {
    let key = key.map_or_else(|| new_key(context), Ok)?;
    let signer = match signer.and_then(Value::as_object::<Certificate>) {
        None => None,
        Some(signer) => {
            let Some((_, data)) = decode_pem(signer.cert.as_bytes()) else {
                return Err(Error::new("unable to decode certificate"));
            };
            if !check_certificate(&data) {
                return Err(malformed("decodedSignerCert"));
            }
            let key = PrivateKey::from_pem(signer.key.as_bytes())
                .map_err(|error| failed("parsing private key", &error))?;
            Authority::new(&data, key)
        }
    };
    let request = Request {
        name: string(&arguments[0]).to_text().into_owned(),
        addresses: addresses(&arguments[1])?,
        hosts: hosts(&arguments[2])?,
        days: int(&arguments[3]),
        is_authority: false,
    };
    certify(context, &request, &key, signer.as_ref())
}

fn certify(
    context: &mut Context<'_>,
    request: &Request,
    key: &PrivateKey,
    signer: Option<&Authority>,
) -> Result<Value> {
    let now = context.now();
    let cert = request
        .sign(context.random(), &now, key, signer)
        .map_err(|error| failed("creating certificate", &error))?;
    Ok(Value::object(Certificate {
        cert,
        key: key.to_pem(),
    }))
}

fn items(value: &Value) -> Vec<Value> {
    value
        .as_list()
        .map(|list| list.to_vec())
        .unwrap_or_default()
}

fn addresses(value: &Value) -> Result<Vec<IpAddr>> {
    let parse = |item: &Value| match item {
        Value::Str(text) => {
            let text = text.to_text();
            text.parse().map_err(|_| failed("parsing ip", &text))
        }
        other => Err(failed(
            "parsing ip",
            &format!("{} is not a string", display(other)),
        )),
    };
    items(value).iter().map(parse).collect()
}

fn hosts(value: &Value) -> Result<Vec<String>> {
    let parse = |item: &Value| match item {
        Value::Str(text) => Ok(text.to_text().into_owned()),
        other => {
            let shown = format!("{} is not a string", display(other));
            Err(failed("processing alternate dns name", &shown))
        }
    };
    items(value).iter().map(parse).collect()
}

fn generate_key(context: &mut Context<'_>, kind: &str) -> Result<Value> {
    context.spend(1_000_000)?;
    let random = context.random();
    let key = match kind {
        "" | "rsa" => PrivateKey::rsa(random, 4096),
        "dsa" => Ok(PrivateKey::dsa(random)),
        "ecdsa" => Ok(PrivateKey::p256(random)),
        "ed25519" => Ok(PrivateKey::ed25519(random)),
        kind => return Ok(Value::from(format!("Unknown type {kind}"))),
    };
    Ok(Value::from(match key {
        Ok(key) => key.to_pem(),
        Err(error) => format!("failed to generate private key: {error}"),
    }))
}

fn bcrypt(context: &mut Context<'_>, password: &[u8]) -> Result<String> {
    context.spend(1_000_000)?;
    let failed = |error: &str| format!("failed to encrypt string with bcrypt: {error}");
    if password.len() > 72 {
        return Ok(failed("bcrypt: password length exceeds 72 bytes"));
    }
    let mut salt = [0; 16];
    context.random().fill(&mut salt);
    Ok(match bcrypt::hash_with_salt(password, 10, salt) {
        Ok(hash) => hash.format_for_version(bcrypt::Version::TwoA),
        Err(error) => failed(&error.to_string()),
    })
}

fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().zip(password) {
        *place = *byte;
    }
    Aes256::new(&key.into())
}

fn encrypt(context: &mut Context<'_>, password: &[u8], plain: &[u8]) -> String {
    if plain.is_empty() {
        return String::new();
    }
    let cipher = cipher(password);
    let padding = BLOCK - plain.len() % BLOCK;
    let mut content = plain.to_vec();
    content.extend(std::iter::repeat_n(padding as u8, padding));
    let mut last = [0; BLOCK];
    context.random().fill(&mut last);
    let mut out = last.to_vec();
    for chunk in content.chunks(BLOCK) {
        let mut block = last;
        for (place, byte) in block.iter_mut().zip(chunk) {
            *place ^= byte;
        }
        let mut sealed: Block<Aes256> = block.into();
        cipher.encrypt_block(&mut sealed);
        last = sealed.into();
        out.extend_from_slice(&last);
    }
    base64(&out)
}

fn decrypt(password: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    if sealed.is_empty() {
        return Ok(Vec::new());
    }
    let data = from_base64(sealed)
        .map_err(|at| Error::new(format!("illegal base64 data at input byte {at}")))?;
    let panic = |text: &str| Error::new(format!("runtime error: {text}"));
    if data.len() < BLOCK {
        let length = data.len();
        return Err(panic(&format!(
            "slice bounds out of range [:16] with capacity {length}"
        )));
    }
    let (vector, content) = data.split_at(BLOCK);
    if content.len() % BLOCK != 0 {
        return Err(Error::new("crypto/cipher: input not full blocks"));
    }
    let cipher = cipher(password);
    let mut last = vector;
    let mut out = Vec::with_capacity(content.len());
    for chunk in content.chunks(BLOCK) {
        let mut block = [0; BLOCK];
        block.copy_from_slice(chunk);
        let mut opened: Block<Aes256> = block.into();
        cipher.decrypt_block(&mut opened);
        out.extend(opened.iter().zip(last).map(|(byte, mask)| byte ^ mask));
        last = chunk;
    }
    let Some(padding) = out.last().copied() else {
        return Err(panic("index out of range [-1]"));
    };
    match out.len().checked_sub(usize::from(padding)) {
        Some(length) => out.truncate(length),
        None => {
            let end = out.len() as i64 - i64::from(padding);
            return Err(panic(&format!("slice bounds out of range [:{end}]")));
        }
    }
    Ok(out)
}

/// The templates of the passwords that the Master Password algorithm makes.
fn password_templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

/// The characters that a letter of a template stands for.
const fn password_characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derive_password(counter: u32, kind: &str, password: &[u8], user: &[u8], site: &[u8]) -> String {
    const SCOPE: &[u8] = b"com.lyndir.masterpassword";
    let Some(templates) = password_templates(kind) else {
        return format!("cannot find password template {kind}");
    };
    let sized = |text: &[u8]| [&(text.len() as u32).to_be_bytes(), text].concat();
    let mut key = [0; 64];
    let salt = [SCOPE, &sized(user)].concat();
    let derived = scrypt::Params::new(15, 8, 2)
        .map_err(|error| error.to_string())
        .and_then(|params| {
            scrypt::scrypt(password, &salt, &params, &mut key).map_err(|error| error.to_string())
        });
    if let Err(error) = derived {
        return format!("failed to derive password: {error}");
    }
    let message = [SCOPE, &sized(site), &counter.to_be_bytes()].concat();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
        return String::new();
    };
    mac.update(&message);
    let seed = mac.finalize().into_bytes();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let characters = template
        .bytes()
        .zip(seed.iter().skip(1))
        .map(|(class, byte)| {
            let characters = password_characters(class);
            char::from(characters[usize::from(*byte) % characters.len()])
        });
    characters.collect()
}
