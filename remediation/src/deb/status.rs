//! Stanzas of `var/lib/dpkg/status`, fields in the order in which dpkg writes them.

use super::control::Fields;

/// dpkg's own order (its `fieldinfos`); what is not named here follows, as written.
const ORDER: &[&str] = &[
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Config-Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
    "Description",
    "Triggers-Pending",
    "Triggers-Awaited",
];

/// What stands in an index alone and dpkg does not keep for installed packages.
const INDEX_ONLY: &[&str] =
    &["Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Description-md5", "Tag"];

/// A status stanza, without the empty line after it. `fields`: from the package's own control file;
/// `status`: `install ok installed`; `conffiles`: (`/etc/x`, MD5 in hexadecimal digits), in the order of `conffiles`.
pub fn stanza(fields: &Fields, status: &str, conffiles: &[(String, String)]) -> String {
    let mut fields = fields.clone();
    fields.set("Status", status);
    fields.remove("Conffiles");
    if !conffiles.is_empty() {
        let lines: String = conffiles.iter().map(|(path, md5)| format!("\n {path} {md5}")).collect();
        fields.set("Conffiles", lines);
    }
    let mut out = String::with_capacity(1024);
    let mut put = |name: &str, value: &str| {
        out.push_str(name);
        out.push(':');
        if !value.starts_with('\n') {
            out.push(' ');
        }
        out.push_str(value);
        out.push('\n');
    };
    for name in ORDER {
        if let Some(value) = fields.get(name) {
            put(name, value);
        }
    }
    let known = |list: &[&str], name: &str| list.iter().any(|k| k.eq_ignore_ascii_case(name));
    for (name, value) in fields.iter().filter(|(name, _)| !known(ORDER, name) && !known(INDEX_ONLY, name)) {
        put(name, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::control;
    use super::*;

    #[test]
    fn fields_stand_in_dpkgs_order() {
        let text = "Version: 1\nHomepage: h\nPackage: abc\nDescription: d\n long\nSHA256: ff\nDepends: x\n";
        let fields = control::single("t", text).unwrap().to_fields();
        let conffiles = [("/etc/abc".to_owned(), "0f".to_owned())];
        assert_eq!(
            stanza(&fields, "install ok installed", &conffiles),
            "Package: abc\nStatus: install ok installed\nVersion: 1\nDepends: x\nConffiles:\n /etc/abc 0f\nDescription: d\n long\nHomepage: h\n"
        );
        assert!(!stanza(&fields, "hold ok installed", &[]).contains("Conffiles"));
    }
}
