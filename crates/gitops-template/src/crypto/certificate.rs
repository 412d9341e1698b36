//! Certificates.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::der::{self, Reader};
use super::keys::PrivateKey;
use super::pem;
use crate::random::Random;
use crate::time::Time;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// What a certificate shall say.
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) hosts: Vec<String>,
    pub(crate) days: i64,
    pub(crate) is_authority: bool,
}

/// Who signs a certificate.
pub(crate) struct Authority {
    key: PrivateKey,
    /// The subject of its certificate, encoded.
    subject: Vec<u8>,
    key_id: Option<Vec<u8>>,
    public_key: Vec<u8>,
}

/// Tells whether bytes have the shape of a certificate.
pub(crate) fn check_certificate(data: &[u8]) -> bool {
    parts(data).is_some()
}

/// The parts of a certificate that matter to one it signs.
struct Parts<'d> {
    subject: &'d [u8],
    public_key: &'d [u8],
    key_id: Option<&'d [u8]>,
}

fn parts(data: &[u8]) -> Option<Parts<'_>> {
    let mut certificate = Reader(Reader(data).expect(der::SEQUENCE)?);
    let mut body = Reader(certificate.expect(der::SEQUENCE)?);
    certificate.expect(der::SEQUENCE)?;
    certificate.expect(der::BIT_STRING)?;
    if body.is(0xa0) {
        body.any()?;
    }
    body.expect(der::INTEGER)?;
    body.expect(der::SEQUENCE)?;
    body.expect(der::SEQUENCE)?;
    body.expect(der::SEQUENCE)?;
    let (_, _, subject) = body.any()?;
    let (_, _, public_key) = body.any()?;
    let mut key_id = None;
    if body.is(0xa3) {
        let mut list = Reader(Reader(body.expect(0xa3)?).expect(der::SEQUENCE)?);
        while !list.0.is_empty() {
            let mut extension = Reader(list.expect(der::SEQUENCE)?);
            let oid = extension.expect(der::OBJECT_IDENTIFIER)?;
            if extension.is(der::BOOLEAN) {
                extension.any()?;
            }
            let contents = extension.expect(der::OCTET_STRING)?;
            if oid == SUBJECT_KEY_ID {
                key_id = Reader(contents).expect(der::OCTET_STRING);
            }
        }
    }
    Some(Parts {
        subject,
        public_key,
        key_id,
    })
}

impl Authority {
    /// Joins a certificate and its key.
    pub(crate) fn new(certificate: &[u8], key: PrivateKey) -> Option<Self> {
        let parts = parts(certificate)?;
        Some(Self {
            key,
            subject: parts.subject.to_vec(),
            key_id: parts.key_id.map(<[u8]>::to_vec),
            public_key: parts.public_key.to_vec(),
        })
    }
}

impl Request {
    /// Makes a certificate for a key, signed by an authority or by the key itself.
    pub(crate) fn sign(
        &self,
        random: &mut Random,
        now: &Time,
        key: &PrivateKey,
        authority: Option<&Authority>,
    ) -> Result<String, String> {
        let unsupported = || String::from("x509: only RSA, ECDSA and Ed25519 keys supported");
        let signer = authority.map_or(key, |authority| &authority.key);
        let (public_key, key_bits) = key.public_key().ok_or_else(unsupported)?;
        let algorithm = signer.signature_algorithm().ok_or_else(unsupported)?;
        if let Some(authority) = authority
            && !authority.key.has_public_key(&authority.public_key)
        {
            return Err(String::from(
                "x509: provided PrivateKey doesn't match parent's PublicKey",
            ));
        }
        let subject = self.subject();
        let issuer = authority.map_or(&subject, |authority| &authority.subject);
        let mut serial = [0; 16];
        random.fill(&mut serial);
        let end = now.plus_days(self.days);
        let extensions = self.extensions(authority, &subject, &key_bits)?;
        let body = der::sequence(&[
            &der::value(0xa0, &der::integer(&[2])),
            &der::integer(&serial),
            &algorithm,
            issuer,
            &der::sequence(&[&time(now), &time(&end)]),
            &subject,
            &public_key,
            &der::value(0xa3, &der::value(der::SEQUENCE, &extensions)),
        ]);
        let signature = signer.sign(&body).ok_or_else(unsupported)?;
        let certificate = der::sequence(&[&body, &algorithm, &der::bits(&signature)]);
        Ok(pem::encode("CERTIFICATE", &certificate))
    }

    fn subject(&self) -> Vec<u8> {
        if self.name.is_empty() {
            return der::sequence(&[]);
        }
        let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
        let is_printable = self.name.bytes().all(printable);
        let tag = if is_printable {
            der::PRINTABLE_STRING
        } else {
            der::UTF8_STRING
        };
        let pair = der::sequence(&[
            &der::oid(COMMON_NAME),
            &der::value(tag, self.name.as_bytes()),
        ]);
        der::sequence(&[&der::value(der::SET, &pair)])
    }

    fn extensions(
        &self,
        authority: Option<&Authority>,
        subject: &[u8],
        key_bits: &[u8],
    ) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        // Digital signature and key encipherment; an authority also signs certificates.
        let usage: &[u8] = if self.is_authority {
            &[0x02, 0xa4]
        } else {
            &[0x05, 0xa0]
        };
        out.extend(extension(
            KEY_USAGE,
            true,
            &der::value(der::BIT_STRING, usage),
        ));
        let purposes = der::sequence(&[&der::oid(SERVER), &der::oid(CLIENT)]);
        out.extend(extension(EXTENDED_KEY_USAGE, false, &purposes));
        let constraints = if self.is_authority {
            der::sequence(&[&der::value(der::BOOLEAN, &[0xff])])
        } else {
            der::sequence(&[])
        };
        out.extend(extension(BASIC_CONSTRAINTS, true, &constraints));
        if self.is_authority {
            let id = &Sha256::digest(key_bits)[..20];
            out.extend(extension(
                SUBJECT_KEY_ID,
                false,
                &der::value(der::OCTET_STRING, id),
            ));
        }
        if let Some(authority) = authority.filter(|authority| authority.subject != subject)
            && let Some(id) = &authority.key_id
        {
            let id = der::sequence(&[&der::value(0x80, id)]);
            out.extend(extension(AUTHORITY_KEY_ID, false, &id));
        }
        let mut names = Vec::new();
        for host in &self.hosts {
            if !host.is_ascii() {
                let host = crate::format::quote::quote(host.as_bytes());
                return Err(format!("x509: {host} cannot be encoded as an IA5String"));
            }
            names.extend(der::value(0x82, host.as_bytes()));
        }
        for address in &self.addresses {
            names.extend(match address {
                IpAddr::V4(address) => der::value(0x87, &address.octets()),
                IpAddr::V6(address) => match address.to_ipv4_mapped() {
                    Some(address) => der::value(0x87, &address.octets()),
                    None => der::value(0x87, &address.octets()),
                },
            });
        }
        if !names.is_empty() {
            let names = der::value(der::SEQUENCE, &names);
            out.extend(extension(ALTERNATIVE_NAME, self.name.is_empty(), &names));
        }
        Ok(out)
    }
}

fn extension(oid: &[u8], critical: bool, contents: &[u8]) -> Vec<u8> {
    let critical = if critical {
        der::value(der::BOOLEAN, &[0xff])
    } else {
        Vec::new()
    };
    der::sequence(&[
        &der::oid(oid),
        &critical,
        &der::value(der::OCTET_STRING, contents),
    ])
}

/// Writes a time as certificates do: with two digits of the year before 2050.
fn time(time: &Time) -> Vec<u8> {
    let time = time.in_utc();
    let year = time.civil().year;
    if (1950..2050).contains(&year) {
        der::value(der::UTC_TIME, time.format("060102150405Z").as_bytes())
    } else {
        der::value(
            der::GENERALIZED_TIME,
            time.format("20060102150405Z").as_bytes(),
        )
    }
}
