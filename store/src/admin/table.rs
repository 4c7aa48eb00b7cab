//! Every table, with the columns that both databases have, in the order in which tables are moved.

/// How a column is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Text of a key, see `postgres::text::key`.
    Key,
    Int,
    /// An `integer` in PostgreSQL.
    Int4,
    /// A `smallint` in PostgreSQL.
    Int2,
    Bool,
    Blob,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What SQLite calls it.
    pub(super) sqlite: &'static str,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
    /// What rows are told apart by and ordered by: places in `columns`.
    pub(super) key: &'static [usize],
    /// A column that a sequence of PostgreSQL counts on.
    pub(super) counted: Option<&'static str>,
    /// Rows that are held in memory at once.
    pub(super) page: i64,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, sqlite: name }
}
const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}
const fn key(name: &'static str) -> Column {
    column(name, Kind::Key)
}
const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}

/// Rows of a few hundred bytes.
const MANY: i64 = 1000;
/// Documents of up to some megabytes.
const FEW: i64 = 16;

pub(super) const PLANS: Table = Table {
    name: "plans",
    columns: &[key("hash"), text("chain"), text("body"), int("created_at")],
    key: &[0],
    counted: None,
    page: FEW,
};

pub(super) const RUNS: Table = Table {
    name: "runs",
    columns: &[
        key("id"),
        key("chain"),
        key("plan_hash"),
        key("identity"),
        text("submission"),
        key("cascade"),
        int("round"),
        key("slot"),
        column("priority", Kind::Int2),
        int("deadline"),
        text("phase"),
        text("status"),
        text("result"),
        int("last_seq"),
        int("version"),
        int("created_at"),
        int("finished_at"),
    ],
    key: &[0],
    counted: None,
    page: MANY,
};

pub(super) const STEPS: Table = Table {
    name: "steps",
    columns: &[
        key("run"),
        column("position", Kind::Int4),
        key("kind"),
        text("status"),
        int("fence"),
        column("priority", Kind::Int2),
        int("ready_at"),
        int("lease_until"),
        key("parked"),
        text("body"),
    ],
    key: &[0, 1],
    counted: None,
    page: MANY,
};

pub(super) const PERMITS: Table = Table {
    name: "permits",
    columns: &[key("run"), column("position", Kind::Int4), key("key")],
    key: &[0, 1, 2],
    counted: None,
    page: MANY,
};

pub(super) const PAUSES: Table = Table {
    name: "pauses",
    columns: &[key("chain"), text("by"), text("reason"), int("at")],
    key: &[0],
    counted: None,
    page: MANY,
};

pub(super) const EVENTS: Table = Table {
    name: "events",
    columns: &[key("run"), int("seq"), int("at"), text("body")],
    key: &[0, 1],
    counted: None,
    page: MANY,
};

pub(super) const OUTBOX: Table = Table {
    name: "outbox",
    columns: &[
        Column { name: "written", kind: Kind::Int, sqlite: "rowid" },
        key("id"),
        key("run"),
        text("step"),
        text("channel"),
        text("payload"),
        text("state"),
        int("attempts"),
        text("problem"),
        int("due_at"),
        int("held_until"),
        int("changed_at"),
    ],
    key: &[1],
    counted: Some("written"),
    page: MANY,
};

pub(super) const EFFECTS: Table = Table {
    name: "effects",
    columns: &[
        Column { name: "id", kind: Kind::Int, sqlite: "rowid" },
        key("run"),
        key("step"),
        key("kind"),
        key("target"),
        text("detail"),
        column("done", Kind::Bool),
        column("withdrawn", Kind::Bool),
    ],
    key: &[1, 2, 3, 4],
    counted: Some("id"),
    page: MANY,
};

pub(super) const DELIVERIES: Table = Table {
    name: "deliveries",
    columns: &[key("source"), key("event_id"), key("chain"), key("run"), int("at")],
    key: &[0, 1, 2],
    counted: None,
    page: MANY,
};

pub(super) const FACTS: Table = Table {
    name: "layer_facts",
    columns: &[key("layer"), key("analysers"), column("body", Kind::Blob)],
    key: &[0, 1],
    counted: None,
    page: FEW,
};

pub(super) const PACKAGES: Table = Table {
    name: "packages",
    columns: &[int("id"), column("hash", Kind::Blob), text("body")],
    key: &[0],
    counted: Some("id"),
    page: MANY,
};

pub(super) const INVENTORIES: Table = Table {
    name: "inventories",
    columns: &[
        key("image"),
        column("body", Kind::Blob),
        int("edition"),
        text("matched"),
        text("matched_report"),
    ],
    key: &[0],
    counted: None,
    page: FEW,
};

pub(super) const REPORTS: Table = Table {
    name: "reports",
    columns: &[key("id"), key("image"), int("made"), column("body", Kind::Blob)],
    key: &[0],
    counted: Some("made"),
    page: FEW,
};

pub(super) const FIXES: Table = Table {
    name: "fixes",
    columns: &[key("fixed"), key("origin"), int("made"), text("body")],
    key: &[0],
    counted: Some("made"),
    page: FEW,
};

pub(super) const SCHEDULES: Table = Table {
    name: "schedules",
    columns: &[
        key("chain"),
        key("cause"),
        text("plan_hash"),
        text("cron"),
        text("zone"),
        int("next_fire_at"),
    ],
    key: &[0, 1],
    counted: None,
    page: MANY,
};

pub(super) const FIRINGS: Table = Table {
    name: "firings",
    columns: &[
        key("chain"),
        key("cause"),
        key("occasion"),
        int("fire_at"),
        text("state"),
        int("skipped"),
        text("counts"),
        text("problem"),
        text("cursor"),
        int("failures"),
        int("fence"),
        int("later_at"),
        int("held_until"),
        int("changed_at"),
    ],
    key: &[0, 1, 2],
    counted: None,
    page: MANY,
};

pub(super) const SIGHTINGS: Table = Table {
    name: "sightings",
    columns: &[
        key("registry"),
        key("repository"),
        key("reference"),
        text("digest"),
        int("pushed_at"),
        int("pulled_at"),
        int("running_at"),
        int("created_at"),
    ],
    key: &[0, 1, 2],
    counted: None,
    page: MANY,
};

/// All of them.
pub(super) const TABLES: &[&Table] = &[
    &PLANS,
    &RUNS,
    &STEPS,
    &PERMITS,
    &PAUSES,
    &EVENTS,
    &OUTBOX,
    &EFFECTS,
    &DELIVERIES,
    &FACTS,
    &PACKAGES,
    &INVENTORIES,
    &REPORTS,
    &FIXES,
    &SCHEDULES,
    &FIRINGS,
    &SIGHTINGS,
];

impl Table {
    /// Its columns as one database or the other calls them.
    pub(super) fn list(&self, sqlite: bool) -> String {
        let names = self.columns.iter().map(|c| format!("\"{}\"", if sqlite { c.sqlite } else { c.name }));
        names.collect::<Vec<_>>().join(", ")
    }
    /// The names of its key's columns.
    pub(super) fn keys(&self) -> String {
        self.key.iter().map(|at| format!("\"{}\"", self.columns[*at].name)).collect::<Vec<_>>().join(", ")
    }
    /// Where a column stands.
    pub(super) fn place(&self, name: &str) -> usize {
        self.columns.iter().position(|c| c.name == name).unwrap_or(usize::MAX)
    }
}
