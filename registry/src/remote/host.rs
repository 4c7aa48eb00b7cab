//! What a host's name alone says: loopback, trusted with a registry's credentials, safe to be sent to.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether the host of `host[:port]` is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether the two share scheme, host and port: where an `Authorization` may go.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}

/// Whether a registry at `base` may send us, without credentials, to `to`:
/// never from TLS to plain text, and from outside never to this machine or
/// its neighbours by address (a metadata service is one).
pub(super) fn may_lead_to(base: &Url, to: &Url) -> bool {
    let scheme = match to.scheme() {
        "https" => true,
        "http" => base.scheme() == "http",
        _ => false,
    };
    scheme && (same_host(base, to) || is_loopback(base) || !is_internal(to))
}

/// Whether the credentials of the registry at `base` may go to a token realm:
/// on the same host, a domain above it, or one that the configuration names;
/// over no worse a scheme.
pub(super) fn may_see_credentials(base: &Url, realm: &Url, allowed: &[String]) -> bool {
    if realm.scheme() != "https" && !(realm.scheme() == "http" && base.scheme() == "http") {
        return false;
    }
    let (Some(registry), Some(host)) = (base.host_str(), realm.host_str()) else { return false };
    let above = matches!(realm.host(), Some(Host::Domain(_)))
        && host.contains('.')
        && registry.strip_suffix(host).is_some_and(|rest| rest.ends_with('.'));
    // The one pair of siblings that everybody uses.
    let hub = host == "auth.docker.io" && registry.ends_with(".docker.io");
    host == registry || above || hub || allowed.iter().any(|a| a.eq_ignore_ascii_case(host))
}

fn same_host(a: &Url, b: &Url) -> bool {
    a.host() == b.host()
}

fn is_internal(url: &Url) -> bool {
    let ip: IpAddr = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.to_canonical(),
        _ => return is_loopback(url),
    };
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn credentials_stay_with_the_registry_and_the_domains_above_it() {
        let base = url("https://registry.example.com/");
        let sees = |realm: &str| may_see_credentials(&base, &url(realm), &["sso.corp.test".to_owned()]);
        assert!(sees("https://registry.example.com:8443/token"));
        assert!(sees("https://example.com/jwt/auth"));
        assert!(sees("https://sso.corp.test/token"));
        assert!(!sees("http://registry.example.com/token"), "a worse scheme");
        assert!(!sees("https://evil.test/registry.example.com"));
        assert!(!sees("https://com/"), "a top-level domain is nobody's");
        assert!(!sees("https://evil.example.com/"), "a sibling may be another tenant");
        assert!(!sees("https://xample.com/"), "a suffix is no domain above");
        assert!(!sees("ftp://registry.example.com/"));
        assert!(may_see_credentials(
            &url("https://registry-1.docker.io"),
            &url("https://auth.docker.io/token"),
            &[]
        ));
        assert!(!may_see_credentials(&url("https://10.1.2.3"), &url("https://2.3"), &[]));
    }

    #[test]
    fn nobody_is_led_from_outside_to_this_machine() {
        let base = url("https://registry.example.com/");
        assert!(may_lead_to(&base, &url("https://cdn.test/blob")));
        for inside in [
            "https://127.0.0.1/",
            "https://169.254.169.254/",
            "https://localhost/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert!(!may_lead_to(&base, &url(inside)), "{inside}");
        }
        assert!(!may_lead_to(&base, &url("http://cdn.test/blob")));
        assert!(!may_lead_to(&base, &url("file:///etc/passwd")));
        assert!(may_lead_to(&url("http://127.0.0.1:5000/"), &url("http://127.0.0.1:5001/blob")));
    }
}
