//! Keys and certificates, as sprig makes them with Go's `crypto/x509`.

mod certificate;
mod der;
mod dsa;
mod keys;
mod pem;

pub(crate) use certificate::{Authority, Request, check_certificate};
pub(crate) use keys::PrivateKey;
pub(crate) use pem::decode as decode_pem;
