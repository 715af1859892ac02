//! A certificate authority for one control plane: its servers' certificates and one per user.
//!
//! A user is a client certificate: the common name is the user, each organisation a group. They can be made at any
//! time, without telling the API server. rcgen writes what servers need; its names hold one value per type, so
//! a client's certificate is written here, field by field, after RFC 5280.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SigningKey,
};
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag};

const NAME: &str = "towpath-test-authority";
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];
const ORGANISATION: [u64; 4] = [2, 5, 4, 10];
const ECDSA_WITH_SHA256: [u64; 7] = [1, 2, 840, 10045, 4, 3, 2];
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const CLIENT_AUTH: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 2];
const UTC_TIME: Tag = Tag { tag_class: yasna::TagClass::Universal, tag_number: 23 };

/// A certificate and its key, both PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

pub struct Authority {
    certificate: String,
    key: KeyPair,
}

impl Authority {
    /// A new authority, written as `ca.crt` and `ca.key` into `dir`.
    pub fn create(dir: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = authority_params()?.self_signed(&key)?.pem();
        fs::create_dir_all(dir)?;
        fs::write(dir.join("ca.crt"), &certificate)?;
        fs::write(dir.join("ca.key"), key.serialize_pem())?;
        Ok(Self { certificate, key })
    }

    /// The authority of a control plane that was left running.
    pub fn open(dir: &Path) -> Result<Self> {
        let certificate = fs::read_to_string(dir.join("ca.crt"))?;
        let key = KeyPair::from_pem(&fs::read_to_string(dir.join("ca.key"))?)?;
        Ok(Self { certificate, key })
    }

    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Writes `NAME.crt` and `NAME.key` for a server on the loopback address; etcd uses its own as a client too.
    pub fn serve(&self, dir: &Path, name: &str) -> Result<()> {
        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut params = CertificateParams::new(names.map(String::from))?;
        params.distinguished_name = common_name(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority_params()?, &self.key);
        fs::write(dir.join(format!("{name}.crt")), params.signed_by(&key, &issuer)?.pem())?;
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
        Ok(())
    }

    /// A client certificate that the API server reads as `user` in `groups`.
    pub fn user(&self, user: &str, groups: &[&str]) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let serial = KeyPair::generate()?.public_key_raw()[1..17].to_vec();
        let body = yasna::construct_der(|writer| client_body(writer, &serial, user, groups, &key));
        let signature = self.key.sign(&body).context("cannot sign a client certificate")?;
        let der = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(&body);
                algorithm(writer.next());
                writer.next().write_bitvec_bytes(&signature, signature.len() * 8);
            });
        });
        Ok(Identity { certificate: pem("CERTIFICATE", &der), key: key.serialize_pem() })
    }
}

fn authority_params() -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = common_name(NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// `TBSCertificate` of RFC 5280, section 4.1.
fn client_body(writer: DERWriter<'_>, serial: &[u8], user: &str, groups: &[&str], key: &KeyPair) {
    writer.write_sequence(|writer| {
        writer.next().write_tagged(Tag::context(0), |writer| writer.write_u8(2));
        writer.next().write_bigint_bytes(serial, true);
        algorithm(writer.next());
        name(writer.next(), &[(&COMMON_NAME, NAME)]);
        writer.next().write_sequence(|writer| {
            for time in [b"000101000000Z", b"491231235959Z"] {
                writer.next().write_tagged_implicit(UTC_TIME, |writer| writer.write_bytes(time));
            }
        });
        let groups = groups.iter().map(|group| (&ORGANISATION, *group));
        name(writer.next(), &groups.chain([(&COMMON_NAME, user)]).collect::<Vec<_>>());
        writer.next().write_der(&key.subject_public_key_info());
        writer.next().write_tagged(Tag::context(3), |writer| {
            writer.write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    writer.next().write_oid(&ObjectIdentifier::from_slice(&EXTENDED_KEY_USAGE));
                    writer.next().write_bytes(&yasna::construct_der(|writer| {
                        writer.write_sequence(|writer| {
                            writer.next().write_oid(&ObjectIdentifier::from_slice(&CLIENT_AUTH));
                        });
                    }));
                });
            });
        });
    });
}

fn algorithm(writer: DERWriter<'_>) {
    writer
        .write_sequence(|writer| writer.next().write_oid(&ObjectIdentifier::from_slice(&ECDSA_WITH_SHA256)));
}

fn name(writer: DERWriter<'_>, parts: &[(&[u64; 4], &str)]) {
    writer.write_sequence(|writer| {
        for (kind, value) in parts {
            writer.next().write_set(|writer| {
                writer.next().write_sequence(|writer| {
                    writer.next().write_oid(&ObjectIdentifier::from_slice(*kind));
                    writer.next().write_utf8_string(value);
                });
            });
        }
    });
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
