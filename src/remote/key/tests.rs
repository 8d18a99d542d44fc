//! Keys as they are pasted: read in every form, or refused by name.

#![allow(clippy::unwrap_used)]

use super::*;

/// A structurally whole OpenSSH key that opens nothing.
fn sample_of(kind: &str, cipher: &str) -> String {
    let mut blob = b"openssh-key-v1\0".to_vec();
    let mut public = Vec::new();
    for part in [kind.as_bytes(), &[7; 32]] {
        push(&mut public, part);
    }
    for part in [cipher.as_bytes(), b"none", b""] {
        push(&mut blob, part);
    }
    blob.extend(1u32.to_be_bytes());
    push(&mut blob, &public);
    push(&mut blob, &[9; 64]);
    lines("OPENSSH PRIVATE KEY", &blob)
}

fn sample(cipher: &str) -> String {
    sample_of("ssh-ed25519", cipher)
}

fn lines(label: &str, content: &[u8]) -> String {
    let body = STANDARD.encode(content);
    let rows = body.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let rows: Vec<_> = rows.collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        rows.join("\n")
    )
}

fn push(to: &mut Vec<u8>, part: &[u8]) {
    to.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
    to.extend(part);
}

/// A private key of PKCS#8 whose algorithm has these bytes, and its seed.
fn pkcs8(oid: &[u8]) -> Vec<u8> {
    let mut inner = vec![0x02, 1, 0, 0x30, u8::try_from(oid.len()).unwrap() + 2, 0x06];
    inner.push(u8::try_from(oid.len()).unwrap());
    inner.extend(oid);
    inner.extend([0x04, 0x22, 0x04, 0x20]);
    inner.extend([5; 32]);
    let mut whole = vec![0x30, u8::try_from(inner.len()).unwrap()];
    whole.extend(inner);
    whole
}

#[track_caller]
fn read(text: &str) -> Result<PrivateKey, Failure> {
    PrivateKey::read(&Secret::new(text))
}

#[track_caller]
fn refusal(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_key_survives_every_way_of_being_pasted() {
    let whole = sample("none");
    let pastes = [
        whole.clone(),
        whole.trim_end().to_owned(),
        whole.replace('\n', "\r\n"),
        whole.replace('\n', "\\n"),
        whole.replace('\n', "\\r\\n"),
        whole.replace('\n', " "),
        whole.replace('\n', "\n\n"),
        whole.replace('\n', "\n\u{a0}\t  "),
        format!("\"{}\"", whole.replace('\n', "\\n")),
        format!("'{whole}'"),
        format!("\u{feff}\n\n  {}\n\n", whole.replace('\n', "\n  ")),
        format!("{whole}ssh-ed25519 AAAA me@here\n"),
        format!("this opens web-1:\n{whole}\nits end"),
        STANDARD.encode(&whole),
        format!("{}\n", STANDARD.encode(whole.replace('\n', "\r\n"))),
    ];
    for paste in pastes {
        assert_eq!(read(&paste).unwrap().text().expose(), whole, "{paste:?}");
    }
    let base64 = STANDARD.encode(&whole);
    let (first, second) = base64.split_at(76);
    let folded = read(&format!("{first}\n{second}\n")).unwrap();
    assert_eq!(folded.text().expose(), whole);
}

#[test]
fn a_locked_pem_key_keeps_its_headers_when_its_lines_were_joined() {
    let whole = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    for pasted in [
        whole.to_owned(),
        whole.replace('\n', " "),
        whole.replace('\n', "\n   "),
    ] {
        let key = read(&pasted).unwrap();
        assert_eq!((key.text().expose(), key.lock()), (whole, Lock::Passphrase));
    }
}

#[test]
fn the_key_behind_its_parameters_is_the_one_that_is_read() {
    let key = lines("EC PRIVATE KEY", &[0x30, 1, 0]);
    let parameters = lines("EC PARAMETERS", &[6, 1, 0]);
    let read = read(&format!("{parameters}{key}")).unwrap();
    assert_eq!(read.text().expose(), key);
}

#[test]
fn an_encrypted_key_is_known_as_such_before_anything_is_contacted() {
    assert_eq!(read(&sample("none")).unwrap().lock(), Lock::Open);
    assert_eq!(
        read(&sample("aes256-ctr")).unwrap().lock(),
        Lock::Passphrase
    );
    let pkcs8 = lines("ENCRYPTED PRIVATE KEY", &[0x30, 1, 0]);
    assert_eq!(read(&pkcs8).unwrap().lock(), Lock::Passphrase);
}

#[test]
fn an_ed25519_key_in_pkcs8_is_written_as_openssh_has_it() {
    let key = read(&lines("PRIVATE KEY", &pkcs8(&[0x2b, 0x65, 0x70]))).unwrap();
    assert!(
        key.text()
            .expose()
            .starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    );
    let public = key.public().unwrap().to_string();
    assert!(public.starts_with("ssh-ed25519 AAAA"), "{public}");
    let again = read(key.text().expose()).unwrap();
    assert_eq!(again.text().expose(), key.text().expose());
}

#[test]
fn what_is_no_private_key_is_called_by_its_name() {
    let whole = sample("none");
    let body = whole.lines().skip(1).collect::<Vec<_>>().join("\n");
    let first_half: String = whole.lines().take(2).collect::<Vec<_>>().join("\n");
    let shortened = whole.replacen(whole.lines().nth(1).unwrap(), "", 1);
    let cases: &[(&str, &str)] = &[
        (" \n", "the private key is empty"),
        ("ssh-ed25519 AAAAC3 me@here", "it is a public key"),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "it is a public key",
        ),
        (
            "PuTTY-User-Key-File-3: ssh-ed25519\n",
            "it is a PuTTY key, which OpenSSH does not read",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "it is a certificate, not a private key",
        ),
        (
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----",
            "it is a PGP key, which opens no server",
        ),
        ("~/.ssh/id_ed25519", "it is the path of a file, not a key"),
        ("hunter2", "it is not a private key in OpenSSH or PEM text"),
        (&first_half, "the private key is cut off"),
        (&body, "the private key is cut off"),
        (
            &shortened,
            "the private key is damaged between its first and last line",
        ),
        (
            &lines("RSA PRIVATE KEY", &[0x30, 9, 0]),
            "the private key is damaged between its first and last line",
        ),
        (
            &sample_of("sk-ssh-ed25519@openssh.com", "none"),
            "it is the handle of a security key (FIDO), which somebody has to touch, which cannot be used here",
        ),
        (
            &sample_of("ssh-dss", "none"),
            "it is a DSA key, which cannot be used here",
        ),
        (
            &lines("PRIVATE KEY", &pkcs8(&[0x2b, 0x65, 0x71])),
            "it is an ed448 key, which cannot be used here",
        ),
    ];
    for (text, said) in cases {
        assert_eq!(refusal(text), *said, "{text}");
    }
    assert!(refusal(&whole.replacen("b3Bl", "b3B?", 1)).contains("damaged"));
}

#[test]
fn a_refusal_never_shows_the_text() {
    let shown = format!("{:?}", read("hunter2").unwrap_err());
    assert!(!shown.contains("hunter2"));
    assert!(!format!("{:?}", read(&sample("none"))).contains("b3Bl"));
}
