//! Which addresses a message or call may be sent to, so that a channel or target is no way into the inner network.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use url::{Host, Url};

use super::answer::Unanswered;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);

/// Resolves the host of `url` and refuses it when any of its addresses is one
/// that may not be reached. The caller connects to these very addresses, so
/// that a second answer of the resolver changes nothing.
pub(super) async fn checked_addresses(url: &Url, allow_private: bool) -> Result<Vec<SocketAddr>, Unanswered> {
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err(Unanswered::Scheme),
    }
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses: Vec<SocketAddr> = match url.host() {
        None => return Err(Unanswered::NoHost),
        Some(Host::Ipv4(ip)) => vec![SocketAddr::new(ip.into(), port)],
        Some(Host::Ipv6(ip)) => vec![SocketAddr::new(ip.into(), port)],
        Some(Host::Domain(name)) => {
            match tokio::time::timeout(RESOLVE, tokio::net::lookup_host((name, port))).await {
                Ok(Ok(found)) => found.take(64).collect(),
                Ok(Err(_)) | Err(_) => return Err(Unanswered::Unresolved),
            }
        }
    };
    if addresses.is_empty() {
        return Err(Unanswered::NoAddress);
    }
    // One bad address spoils the host: which one is connected to is chance.
    if addresses.iter().any(|a| !may_reach(a.ip(), allow_private)) {
        return Err(Unanswered::Private);
    }
    Ok(addresses)
}

/// Whether an address may be connected to.
pub(super) fn may_reach(ip: IpAddr, allow_private: bool) -> bool {
    let (nowhere, private) = match ip {
        IpAddr::V4(ip) => (is_nowhere_v4(ip), is_private_v4(ip)),
        IpAddr::V6(ip) => (is_nowhere_v6(ip), is_private_v6(ip)),
    };
    !nowhere && (allow_private || !private)
}

/// What no configuration allows: no host at all, and the metadata services of clouds.
fn is_nowhere_v4(ip: Ipv4Addr) -> bool {
    let [a, ..] = ip.octets();
    a == 0
        || ip.is_broadcast()
        || ip.is_multicast()
        || ip == Ipv4Addr::new(169, 254, 169, 254)
        || ip == Ipv4Addr::new(169, 254, 170, 2)
        || ip == Ipv4Addr::new(100, 100, 100, 200)
        || ip == Ipv4Addr::new(192, 0, 0, 192)
}

/// IANA's special-purpose registry, RFC 6890 and after.
fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240
}

fn is_nowhere_v6(ip: Ipv6Addr) -> bool {
    ip.is_unspecified()
        || ip.is_multicast()
        || ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        || embedded_v4(ip).is_some_and(is_nowhere_v4)
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    ip.is_loopback()
        // Unique local, link-local, the old site-local.
        || (s[0] & 0xfe00) == 0xfc00
        || (s[0] & 0xffc0) == 0xfe80
        || (s[0] & 0xffc0) == 0xfec0
        // Discard, protocol assignments with Teredo, documentation.
        || (s[0] == 0x0100 && s[1] == 0 && s[2] == 0 && s[3] == 0)
        || (s[0] == 0x2001 && s[1] < 0x0200)
        || (s[0] == 0x2001 && s[1] == 0x0db8)
        || (s[0] == 0x3fff && s[1] < 0x1000)
        || embedded_v4(ip).is_some()
}

/// v4-mapped, v4-compatible, NAT64, 6to4: another way to write an IPv4 address.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let low = || {
        let o = ip.octets();
        Ipv4Addr::new(o[12], o[13], o[14], o[15])
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, ..] => Some(low()),
        [0, 0, 0, 0, 0, 0, hi, lo] if hi != 0 || lo > 1 => Some(low()),
        [0x64, 0xff9b, 0 | 1, ..] => Some(low()),
        [0x2002, hi, lo, ..] => {
            let ([a, b], [c, d]) = (hi.to_be_bytes(), lo.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str| {
            let ip: IpAddr = text.parse().expect(text);
            (may_reach(ip, false), may_reach(ip, true))
        };
        for public in
            ["1.1.1.1", "203.0.112.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2400:3200::1"]
        {
            assert_eq!(check(public), (true, true), "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.8.9.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "240.0.0.1",
            "192.88.99.1",
            "192.0.0.8",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "::7f00:1",
            "100::1",
            "3fff::1",
        ] {
            assert_eq!(check(private), (false, true), "{private}");
        }
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "ff02::1",
            "169.254.169.254",
            "100.100.100.200",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            // Another way to write 0.0.0.1.
            "64:ff9b:1::1",
            "fd00:ec2::254",
            "2002:a9fe:a9fe::",
        ] {
            assert_eq!(check(never), (false, false), "{never}");
        }
    }

    #[tokio::test]
    async fn hosts() {
        let check = async |url: &str, allow| {
            checked_addresses(&Url::parse(url).expect(url), allow)
                .await
                .map_err(|e| patchline_engine::DeliveryError::from(e).code)
        };
        let refused = Err("channel-address-refused".to_owned());
        for url in [
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://0x7f.1/x",
            "https://2130706433/x",
            "https://0177.0.0.1/",
            "http://1.1.1.1/x",
            "ftp://1.1.1.1/x",
        ] {
            assert_eq!(check(url, false).await, refused, "{url}");
        }
        assert_eq!(check("https://169.254.169.254/latest", true).await, refused);
        assert_eq!(
            check("http://127.0.0.1:81/x", true).await,
            Ok(vec!["127.0.0.1:81".parse().expect("one")])
        );
        assert_eq!(check("https://1.1.1.1/x", false).await, Ok(vec!["1.1.1.1:443".parse().expect("one")]));
    }
}
