//! Private keys.

use ed25519_dalek::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BigUint, Pkcs1v15Sign, RsaPrivateKey};
use sha2::{Digest, Sha256};

use super::der::{self, Reader};
use super::dsa::DsaKey;
use super::pem;
use crate::random::Random;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// What stands before a SHA-256 sum in an RSA signature.
const SHA256_PREFIX: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A private key.
pub(crate) enum PrivateKey {
    Rsa(Box<RsaPrivateKey>),
    P256(Box<p256::SecretKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Dsa(Box<DsaKey>),
}

/// Gives the random numbers of the render to what asks for those of the system.
struct Source<'a>(&'a mut Random);

impl rsa::rand_core::RngCore for Source<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, buffer: &mut [u8]) {
        self.0.fill(buffer);
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.0.fill(buffer);
        Ok(())
    }
}

impl rsa::rand_core::CryptoRng for Source<'_> {}

impl PrivateKey {
    pub(crate) fn rsa(random: &mut Random, bits: usize) -> Result<Self, String> {
        let key = RsaPrivateKey::new(&mut Source(random), bits);
        key.map(|key| Self::Rsa(Box::new(key)))
            .map_err(|error| error.to_string())
    }

    pub(crate) fn p256(random: &mut Random) -> Self {
        loop {
            let mut bytes = [0; 32];
            random.fill(&mut bytes);
            // Nearly every number is a key.
            if let Ok(key) = p256::SecretKey::from_slice(&bytes) {
                return Self::P256(Box::new(key));
            }
        }
    }

    pub(crate) fn ed25519(random: &mut Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&bytes)))
    }

    pub(crate) fn dsa(random: &mut Random) -> Self {
        Self::Dsa(Box::new(DsaKey::generate(random)))
    }

    /// Writes the key as sprig does.
    pub(crate) fn to_pem(&self) -> String {
        match self {
            Self::Rsa(key) => pem::encode("RSA PRIVATE KEY", &rsa_der(key)),
            Self::P256(key) => pem::encode("EC PRIVATE KEY", &p256_der(key)),
            Self::Ed25519(key) => {
                let inner = der::value(der::OCTET_STRING, key.as_bytes());
                let data = der::sequence(&[
                    &der::integer(&[0]),
                    &der::sequence(&[&der::oid(ED25519)]),
                    &der::value(der::OCTET_STRING, &inner),
                ]);
                pem::encode("PRIVATE KEY", &data)
            }
            Self::Dsa(key) => pem::encode("DSA PRIVATE KEY", &key.to_der()),
        }
    }

    /// Reads a key; the messages are sprig's.
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, String> {
        let Some((label, data)) = pem::decode(text) else {
            return Err(String::from("no PEM data in input"));
        };
        if label == "PRIVATE KEY" {
            return from_pkcs8(&data).ok_or_else(|| {
                String::from("decoding PEM as PKCS#8: x509: failed to parse private key")
            });
        }
        let Some(kind) = label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {label}"));
        };
        match kind {
            "RSA" => rsa_from_der(&data).ok_or_else(|| {
                String::from("parsing RSA private key from PEM: x509: failed to parse private key")
            }),
            "EC" => p256_from_der(&data).ok_or_else(|| {
                String::from(
                    "parsing EC private key from PEM: x509: failed to parse EC private key",
                )
            }),
            "DSA" => {
                let key = DsaKey::from_der(&data);
                key.map(|key| Self::Dsa(Box::new(key))).ok_or_else(|| {
                    String::from("parsing DSA private key from PEM: asn1: structure error")
                })
            }
            _ => Err(format!("invalid private key type {label}")),
        }
    }

    /// Writes the public key as a certificate holds it, with the bytes that identify it.
    pub(super) fn public_key(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (algorithm, key) = match self {
            Self::Rsa(key) => {
                let public = der::sequence(&[
                    &der::integer(&key.n().to_bytes_be()),
                    &der::integer(&key.e().to_bytes_be()),
                ]);
                let null = der::value(der::NULL, &[]);
                (der::sequence(&[&der::oid(RSA), &null]), public)
            }
            Self::P256(key) => {
                let point = key.public_key().to_sec1_point(false);
                (
                    der::sequence(&[&der::oid(EC), &der::oid(P256)]),
                    point.as_bytes().to_vec(),
                )
            }
            Self::Ed25519(key) => (
                der::sequence(&[&der::oid(ED25519)]),
                key.verifying_key().as_bytes().to_vec(),
            ),
            Self::Dsa(_) => return None,
        };
        Some((der::sequence(&[&algorithm, &der::bits(&key)]), key))
    }

    /// Writes the name of the algorithm that signs with the key.
    pub(super) fn signature_algorithm(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Rsa(_) => der::sequence(&[&der::oid(RSA_SHA256), &der::value(der::NULL, &[])]),
            Self::P256(_) => der::sequence(&[&der::oid(ECDSA_SHA256)]),
            Self::Ed25519(_) => der::sequence(&[&der::oid(ED25519)]),
            Self::Dsa(_) => return None,
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::Rsa(key) => {
                let scheme = Pkcs1v15Sign {
                    hash_len: Some(32),
                    prefix: SHA256_PREFIX.to_vec().into_boxed_slice(),
                };
                key.sign(scheme, &Sha256::digest(message)).ok()?
            }
            Self::P256(key) => {
                let key = p256::ecdsa::SigningKey::from(key.as_ref());
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::Dsa(_) => return None,
        })
    }

    /// Tells whether both keys are of one pair.
    pub(super) fn has_public_key(&self, public_key: &[u8]) -> bool {
        self.public_key().is_some_and(|(own, _)| own == public_key)
    }
}

fn rsa_der(key: &RsaPrivateKey) -> Vec<u8> {
    let one = BigUint::from(1_u8);
    let number = |number: &BigUint| der::integer(&number.to_bytes_be());
    let primes = key.primes();
    let (p, q) = (&primes[0], &primes[1]);
    // The factors are known to be primes, so an inverse is a power.
    let inverse = q.modpow(&(p - BigUint::from(2_u8)), p);
    der::sequence(&[
        &der::integer(&[0]),
        &number(key.n()),
        &number(key.e()),
        &number(key.d()),
        &number(p),
        &number(q),
        &number(&(key.d() % (p - &one))),
        &number(&(key.d() % (q - &one))),
        &number(&inverse),
    ])
}

fn rsa_from_der(data: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader(Reader(data).expect(der::SEQUENCE)?);
    reader.integer()?;
    let mut number = || reader.integer().map(BigUint::from_bytes_be);
    let (n, e, d) = (number()?, number()?, number()?);
    let primes = vec![number()?, number()?];
    let key = RsaPrivateKey::from_components(n, e, d, primes).ok()?;
    key.validate().ok()?;
    Some(PrivateKey::Rsa(Box::new(key)))
}

fn p256_der(key: &p256::SecretKey) -> Vec<u8> {
    let point = key.public_key().to_sec1_point(false);
    der::sequence(&[
        &der::integer(&[1]),
        &der::value(der::OCTET_STRING, &key.to_bytes()),
        &der::value(0xa0, &der::oid(P256)),
        &der::value(0xa1, &der::bits(point.as_bytes())),
    ])
}

fn p256_from_der(data: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader(Reader(data).expect(der::SEQUENCE)?);
    reader.integer()?;
    let key = reader.expect(der::OCTET_STRING)?;
    if reader.is(0xa0) {
        let mut curve = Reader(reader.expect(0xa0)?);
        if curve.expect(der::OBJECT_IDENTIFIER)? != P256 {
            return None;
        }
    }
    Some(PrivateKey::P256(Box::new(
        p256::SecretKey::from_slice(key).ok()?,
    )))
}

fn from_pkcs8(data: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader(Reader(data).expect(der::SEQUENCE)?);
    reader.integer()?;
    let mut algorithm = Reader(reader.expect(der::SEQUENCE)?);
    let oid = algorithm.expect(der::OBJECT_IDENTIFIER)?;
    let key = reader.expect(der::OCTET_STRING)?;
    match oid {
        RSA => rsa_from_der(key),
        EC if algorithm.expect(der::OBJECT_IDENTIFIER)? == P256 => p256_from_der(key),
        ED25519 => {
            let seed = Reader(key).expect(der::OCTET_STRING)?.try_into().ok()?;
            let key = ed25519_dalek::SigningKey::from_bytes(&seed);
            Some(PrivateKey::Ed25519(Box::new(key)))
        }
        _ => None,
    }
}
