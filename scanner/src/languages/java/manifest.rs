//! The main section of `META-INF/MANIFEST.MF`; "JAR File Specification", "JAR Manifest".

/// Attributes in their order.
#[derive(Debug, Default)]
pub struct Manifest(Vec<(String, String)>);

impl Manifest {
    /// Lines that begin with a space continue the one before; a blank line ends the section.
    pub(super) fn parse(text: &str) -> Self {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if let Some(more) = line.strip_prefix(' ') {
                if let Some((_, value)) = attributes.last_mut() {
                    value.push_str(more);
                }
            } else if line.is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':') {
                attributes.push((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
            }
        }
        Self(attributes)
    }
    /// A value without the white space around it; names have no case. None: absent, empty, or a
    /// variable that a build did not fill in.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value.trim()).filter(|v| !v.is_empty() && !v.contains("${"))
    }
    /// OSGi Core, "Bundle-SymbolicName": without its parameters.
    pub(super) fn symbolic_name(&self) -> Option<&str> {
        self.get("Bundle-SymbolicName")?.split(';').next().map(str::trim).filter(|n| !n.is_empty())
    }
    /// `Bundle-License` (OSGi Core), and those of Jenkins' plugins.
    pub(super) fn licenses(&self) -> Vec<String> {
        if let Some(bundle) = self.get("Bundle-License") {
            // `name;link=…,name2`, and often a bare address, which names nothing.
            let name = |part: &str| part.split(';').next().unwrap_or("").trim().trim_matches('"').to_owned();
            return bundle.split(',').map(name).filter(|n| !n.is_empty() && !n.contains("://")).collect();
        }
        let plugins = self.0.iter().filter(|(n, _)| n.starts_with("Plugin-License-Name"));
        plugins.map(|(_, value)| value.trim().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_continue_and_the_section_ends() {
        let manifest = Manifest::parse(
            "Manifest-Version: 1.0\r\nBundle-SymbolicName: org.ex\r\n ample.a;singleton:=true\r\nImplementation-Version: ${v}\r\n\
             bundle-license: Apache-2.0;link=\"https://x\",http://y\r\n\r\nName: x\r\nSealed: true\r\n",
        );
        assert_eq!(manifest.symbolic_name(), Some("org.example.a"));
        assert_eq!((manifest.get("Implementation-Version"), manifest.get("Sealed")), (None, None));
        assert_eq!(manifest.licenses(), ["Apache-2.0"]);
    }
}
