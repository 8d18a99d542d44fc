//! Where the server is, who logs in, and by which key it is known.
//!
//! It refuses to know what lies on that server.

use super::Row;

const LOCKED: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----";

pub const ROWS: &[Row] = &[
    (
        "a host that is an option",
        &[("HOST", "-oProxyCommand=id")],
        &[
            "`host`: `-oProxyCommand=id` is neither a host name nor an address; give a name or an address, such as `example.org` or `203.0.113.7`",
        ],
    ),
    (
        "a host with a scheme and a user with a host",
        &[("HOST", "ssh://127.0.0.1"), ("USER", "deploy@127.0.0.1")],
        &[
            "`host`: `ssh://127.0.0.1` is not only a host; leave the scheme out",
            "`user`: `deploy@127.0.0.1` is not only a user; put `deploy` into `user` and the rest into `host`",
        ],
    ),
    (
        "a host with a port",
        &[("HOST", "127.0.0.1:2222")],
        &["`host`: `127.0.0.1:2222` is not only a host; put the port into `port`"],
    ),
    (
        "an address without brackets",
        &[("HOST", "2001:db8::1")],
        &[
            "`host`: `2001:db8::1` is not only a host; write an IPv6 address in brackets, like `[2001:db8::1]`",
        ],
    ),
    (
        "a host of two lines",
        &[("HOST", "127.0.0.1\nProxyCommand id")],
        &["`host`: `127.0.0.1\\nProxyCommand id` has more than one line; give a single line"],
    ),
    (
        "a user that is an option",
        &[("USER", "-l root")],
        &[
            "`user`: `-l root` is not a user name; use letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`",
        ],
    ),
    (
        "a jump host in pieces",
        &[("JUMP_HOST", "ops@gate:0")],
        &[
            "`jump_host`: `0` is not between 1 and 65535; give a whole number from 1 to 65535, in digits alone",
        ],
    ),
    (
        "a public key",
        &[("SSH_KEY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@laptop")],
        &["`ssh_key`: it is a public key; give the private half, the file without `.pub`"],
    ),
    (
        "half a private key",
        &[(
            "SSH_KEY",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
        )],
        &[
            "`ssh_key`: the private key is cut off; store the key file as it is, `-----BEGIN` and `-----END` lines included",
        ],
    ),
    (
        "a locked key",
        &[("SSH_KEY", LOCKED)],
        &["`ssh_key` is locked by a passphrase; give `ssh_key_passphrase` too"],
    ),
    (
        "a host key that is none",
        &[(
            "HOST_KEY",
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\nMD5:aa:bb\nexample.org ssh-ed25519 AAAA\n-----BEGIN OPENSSH PRIVATE KEY-----",
        )],
        &[
            "`host_key`: line 2 is an MD5 fingerprint, which proves nothing; give the `SHA256:…` one",
            "`host_key`: line 3 is neither a `known_hosts` line nor a `SHA256:…` fingerprint; give what `ssh-keyscan` prints for the server, or `ssh-keygen -lf` on the server",
            "`host_key`: line 4 is a private key; give the server's public key; treat the private one as leaked",
        ],
    ),
];
