//! Which addresses may be dialled.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Address ranges that are dialled although they are refused otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed(Vec<IpNet>);

impl Allowed {
    /// Ranges such as `127.0.0.0/8`; the text of the first that is none is the error.
    pub fn parse(ranges: &[String]) -> Result<Self, String> {
        let parsed = ranges.iter().map(|range| range.parse().map_err(|_| range.clone()));
        parsed.collect::<Result<_, _>>().map(Self)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(&address))
    }
}

/// Addresses that are refused in addition: those of the API server.
#[derive(Clone, Debug, Default)]
pub struct Forbidden(pub Vec<IpAddr>);

impl Forbidden {
    /// The address to dial, if it may be: an IPv4 address in IPv6 notation counts as what it is.
    pub fn vet(&self, address: IpAddr, allowed: &Allowed) -> Option<IpAddr> {
        let address = plain(address);
        let is_own = self.0.iter().any(|own| plain(*own) == address);
        (allowed.contains(address) || !(is_own || is_internal(address))).then_some(address)
    }
}

/// An IPv4 address that is written as IPv6: mapped, compatible, or in a NAT64 prefix.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let low = || {
        let ([g1, g2], [h1, h2]) = (g.to_be_bytes(), h.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(g1, g2, h1, h2))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => low(),
        [0, 0, 0, 0, 0, 0] if !v6.is_loopback() && !v6.is_unspecified() => low(),
        // 6to4 holds the IPv4 address behind its prefix.
        [0x2002, high, low, _, _, _] => {
            let ([b1, b2], [c1, c2]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(b1, b2, c1, c2))
        }
        _ => address,
    }
}

/// Addresses of the machine itself, of its link, and of metadata services.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || first == 0
                || first >= 240
                || METADATA.contains(&v4)
        }
        IpAddr::V6(v6) => {
            let segments @ [first, ..] = v6.segments();
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || first & 0xffc0 == 0xfe80
                || METADATA_V6.contains(&v6)
                // NAT64 for local use: where in it the IPv4 address is differs by network.
                || segments.starts_with(&[0x64, 0xff9b, 1])
        }
    }
}

/// Metadata services outside of the link-local range: Alibaba Cloud, the platform address of Azure, and Oracle Cloud.
const METADATA: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// The metadata services of AWS and Google Cloud in IPv6.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

#[cfg(test)]
mod tests {
    use super::*;

    fn vet(address: &str, allowed: &[&str]) -> Option<String> {
        let forbidden = Forbidden(vec!["10.96.0.1".parse().unwrap(), "fd12::1".parse().unwrap()]);
        let allowed: Vec<String> = allowed.iter().map(|it| (*it).to_owned()).collect();
        let address = address.parse().unwrap();
        forbidden.vet(address, &Allowed::parse(&allowed).unwrap()).map(|address| address.to_string())
    }

    #[test]
    fn addresses_of_pods_and_services_are_dialled() {
        for address in
            ["10.244.0.7", "192.168.1.1", "172.16.0.9", "203.0.113.7", "fd00::7", "2001:db8::1", "100.64.0.1"]
        {
            assert_eq!(vet(address, &[]).as_deref(), Some(address));
        }
        assert_eq!(vet("::ffff:10.244.0.7", &[]).as_deref(), Some("10.244.0.7"));
    }

    #[test]
    fn addresses_of_the_machine_the_link_the_api_server_and_metadata_are_refused() {
        for address in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "10.96.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:10.96.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "64:ff9b:1::7f00:1",
            "64:ff9b:1:7f00:0:1::",
            "64:ff9b:1:a9fe:a9:fe00::",
            "fd12::1",
        ] {
            assert_eq!(vet(address, &[]), None, "{address}");
        }
    }

    #[test]
    fn a_provider_can_list_ranges() {
        assert_eq!(vet("127.0.0.1", &["127.0.0.0/8"]).as_deref(), Some("127.0.0.1"));
        assert_eq!(vet("::ffff:127.0.0.1", &["127.0.0.0/8"]).as_deref(), Some("127.0.0.1"));
        assert_eq!(vet("::1", &["::1/128"]).as_deref(), Some("::1"));
        assert_eq!(vet("10.96.0.1", &["10.0.0.0/8"]).as_deref(), Some("10.96.0.1"));
        assert_eq!(vet("169.254.169.254", &["127.0.0.0/8"]), None);
        assert!(vet("64:ff9b:1::a00:1", &["64:ff9b:1::/48"]).is_some());
        for range in ["127.0.0.1", "x/8", "127.0.0.0/33"] {
            assert!(Allowed::parse(&[range.to_owned()]).is_err(), "{range}");
        }
    }
}
