//! What a package would run: scriptlets by slot, and triggers (rpm-scriptlets(7)).

use std::collections::BTreeMap;

use patchline_scanner::packages::rpm::header::Header;

use super::limits;

/// Slot, tag of the script, tag of its interpreter.
const SLOTS: [(&str, u32, u32); 8] = [
    ("pretrans", 1151, 1153),
    ("pre", 1023, 1085),
    ("post", 1024, 1086),
    ("preun", 1025, 1087),
    ("postun", 1026, 1088),
    ("posttrans", 1152, 1154),
    ("preuntrans", 5103, 5105),
    ("postuntrans", 5104, 5106),
];
/// Kind, tag of the scripts, tag of what they wait for.
const TRIGGERS: [(&str, u32, u32); 3] =
    [("trigger", 1065, 1066), ("file trigger", 5066, 5069), ("transaction file trigger", 5076, 5079)];

/// One scriptlet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// `/bin/sh`, `<lua>`, `/sbin/ldconfig`, with its arguments; empty: `/bin/sh`.
    pub interpreter: Vec<String>,
    /// Its text; empty where the interpreter alone is run.
    pub text: String,
}

/// All that a package would run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scripts {
    /// By slot: `pre`, `postun`.
    pub slots: BTreeMap<&'static str, Script>,
    /// Kind of trigger, and each script of it with what it waits for.
    pub triggers: Vec<(&'static str, String)>,
}

pub(super) fn read(header: &Header<'_>) -> Result<Scripts, &'static str> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut scripts = Scripts::default();
    let mut length = 0;
    for (slot, body, program) in SLOTS {
        let body = header.string(body)?;
        let interpreter = header.texts(program, 64)?;
        if body.is_none() && interpreter.is_none() {
            continue;
        }
        length += body.map_or(0, <[u8]>::len);
        let interpreter = interpreter.unwrap_or_default().into_iter().map(text).collect();
        let script = Script { interpreter, text: body.map(text).unwrap_or_default() };
        scripts.slots.insert(slot, script);
    }
    for (kind, body, names) in TRIGGERS {
        let waits = header.texts(names, limits::TRIGGERS)?.unwrap_or_default();
        let waits = waits.into_iter().map(text).collect::<Vec<_>>().join(", ");
        for script in header.texts(body, limits::TRIGGERS)?.unwrap_or_default() {
            length += script.len() + waits.len();
            scripts.triggers.push((kind, format!("{waits}\n{}", text(script))));
            if length > limits::SCRIPTS {
                return Err("has scripts that are too long");
            }
        }
    }
    if length > limits::SCRIPTS {
        return Err("has scripts that are too long");
    }
    Ok(scripts)
}
