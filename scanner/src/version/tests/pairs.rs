//! Versions at random: such as people write, and such as nobody should.

use super::Order;

/// Reproducible numbers (splitmix64); nothing here needs good ones.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// One version: numbers, and up to five of what the ecosystem puts behind them.
    pub(crate) fn version(&mut self, order: Order) -> String {
        let (prefixes, pieces) = pieces(order);
        let mut text = self.pick(prefixes).to_owned();
        for i in 0..=self.below(4) {
            if i > 0 {
                text.push('.');
            }
            text.push_str(self.pick(&["0", "1", "2", "3", "10", "0", "1", "9", "01", "00", "20210101"]));
        }
        if self.below(4) > 0 {
            for _ in 0..self.below(6) {
                text.push_str(self.pick(pieces));
            }
        }
        text
    }

    /// Two versions; often the second is the first with one place altered.
    pub(crate) fn pair(&mut self, order: Order) -> (String, String) {
        let a = self.version(order);
        if self.below(3) > 0 {
            return (a, self.version(order));
        }
        let at = self.below(a.len() + 1);
        let end = (at + self.below(2)).min(a.len());
        let put = self.pick(&["", "0", "1", ".", "-", "a", "~", ".0", "rc", "-1"]);
        let b = format!("{}{put}{}", &a[..at], &a[end..]);
        // To programs nothing, a leading dash and nothing but an epoch are something else.
        if b.is_empty() || b.starts_with('-') || b.ends_with(':') { (a.clone(), a) } else { (a, b) }
    }
}

/// What stands in front of the first number, and what behind the last.
fn pieces(order: Order) -> (&'static [&'static str], &'static [&'static str]) {
    match order {
        Order::Dpkg => (
            &["", "", "", "0:", "1:", "2:"],
            &["-1", "-0", "~", "+", ".", "deb12u1", "ubuntu2", "dfsg", "~rc1", "10", "a", "-", "~~"],
        ),
        Order::Rpm => (
            &["", "", "", "0:", "1:", "2:"],
            &[
                "-1", "-2.el9", "~", "^", ".", "_", "git", "^2023", "~rc1", "10", "a", "Z", "+", ".el8_6",
                "..",
            ],
        ),
        Order::Apk => (
            &[""],
            &[
                "-r0",
                "-r1",
                "-r10",
                "_alpha",
                "_rc1",
                "_p2",
                "_git20210101",
                "b",
                "~a1",
                "_p",
                "-",
                "_x",
                "1",
                ".2",
            ],
        ),
        Order::Maven => (
            &["", "", "", "v"],
            &[
                ".",
                "-",
                "alpha",
                "beta",
                "RC1",
                "-rc-2",
                ".Final",
                "ga",
                "-SNAPSHOT",
                "sp",
                "a1",
                "jre8",
                "0",
                "1",
            ],
        ),
        Order::Pep440 => (
            &["", "", "", "v", "1!"],
            &[
                "a1", ".b2", "rc", "-rc1", ".post1", "-1", ".dev0", "dev", "+local", "+1.2", "_r2", "c", "x",
                "-",
            ],
        ),
        Order::Gem => {
            (&[""], &[".a", ".rc1", "-x86", "-java", ".0", ".1", "pre", ".beta.2", "b", "10", "-", "."])
        }
        Order::Composer => (
            &["", "", "v", "dev-"],
            &[
                "-dev", "-alpha1", "-beta", "RC2", "-rc.1", "-patch1", "pl2", ".x-dev", "+meta", "-stable",
                ".", "#",
            ],
        ),
        Order::Cran | Order::Hackage => (&[""], &[".0", "-1", ".10", "-0", "a", ".", "-"]),
        _ => (
            &["", "", "", "v", "=v ", "go"],
            &[
                "-alpha",
                "-rc.1",
                ".beta",
                ".10",
                "-0",
                "+b1",
                "+incompatible",
                "rc1",
                "-RC",
                ".1",
                ".x",
                "-1",
                "-",
            ],
        ),
    }
}
