//! Programs that own an order, where the machine has them, asked about many pairs at once.

use std::{
    cmp::Ordering,
    io::{Seek, Write},
    process::{Command, Stdio},
};

use super::Order;

/// One of them. Pairs stand on its standard input, a tab between; it answers `-1`, `0`, `1`, or `?` where it refuses.
pub(crate) struct Oracle {
    pub(crate) order: Order,
    /// For people.
    pub(crate) name: &'static str,
    /// Of how many pairs it is asked about one.
    share: usize,
    program: &'static str,
    arguments: &'static [&'static str],
}

/// Every program asked.
pub(crate) const ALL: [Oracle; 5] = [
    Oracle {
        order: Order::Dpkg,
        name: "dpkg --compare-versions",
        // A process for each comparison.
        share: 20,
        program: "sh",
        arguments: &[
            "-c",
            "dpkg --version >/dev/null || exit 1
             while read -r a b; do
               if dpkg --compare-versions \"$a\" lt \"$b\" 2>/dev/null; then echo -1; continue; fi
               dpkg --compare-versions \"$a\" gt \"$b\" 2>/dev/null
               case $? in 0) echo 1;; 1) echo 0;; *) echo '?';; esac
             done",
        ],
    },
    Oracle {
        order: Order::Dpkg,
        name: "dpkg's own Dpkg::Version",
        share: 1,
        program: "perl",
        arguments: &[
            "-MDpkg::Version",
            "-ne",
            "chomp; my ($a, $b) = split /\\t/; my $o = eval { version_compare($a, $b) };
             print defined $o ? $o : '?', \"\\n\"",
        ],
    },
    Oracle {
        order: Order::Rpm,
        name: "rpm's own rpm.ver",
        share: 1,
        program: "rpm",
        arguments: &[
            "--eval",
            "%{lua:
                local function order(a, b)
                  local a, b = rpm.ver(a), rpm.ver(b)
                  if a < b then return '-1' elseif a > b then return '1' else return '0' end
                end
                for line in io.lines('/dev/stdin') do
                  local tab = line:find('\\t', 1, true)
                  local ok, said = pcall(order, line:sub(1, tab - 1), line:sub(tab + 1))
                  io.write(ok and said or '?', '\\n')
                end}",
        ],
    },
    Oracle {
        order: Order::Gem,
        name: "ruby's Gem::Version",
        share: 1,
        program: "ruby",
        arguments: &[
            "-e",
            "STDIN.each_line do |line|
               a, b = line.chomp.split(\"\\t\")
               puts begin Gem::Version.new(a) <=> Gem::Version.new(b) rescue '?' end
             end",
        ],
    },
    Oracle {
        order: Order::Pep440,
        name: "python's packaging.version",
        share: 1,
        program: "python3",
        arguments: &[
            "-c",
            "import sys
from packaging.version import Version
for line in sys.stdin:
    try:
        a, b = map(Version, line.rstrip('\\n').split('\\t'))
        print((a > b) - (a < b))
    except ValueError:
        print('?')",
        ],
    },
];

impl Oracle {
    /// How many of these pairs are worth its time.
    pub(crate) fn of(&self, pairs: usize) -> usize {
        pairs / self.share
    }

    /// Its answers; in them, none: it refuses one of the two. None: the machine does not have it.
    pub(crate) fn ask(&self, pairs: &[(String, String)]) -> Option<Vec<Option<Ordering>>> {
        let mut input = tempfile::tempfile().ok()?;
        let lines: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
        input.write_all(lines.as_bytes()).ok()?;
        input.rewind().ok()?;
        let output = Command::new(self.program)
            .args(self.arguments)
            .stdin(input)
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(
            said.split_whitespace()
                .map(|word| match word {
                    "-1" => Some(Ordering::Less),
                    "0" => Some(Ordering::Equal),
                    "1" => Some(Ordering::Greater),
                    _ => None,
                })
                .collect(),
        )
    }
}
