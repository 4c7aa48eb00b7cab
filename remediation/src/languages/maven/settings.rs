//! Maven's `settings.xml`: the mirror that stands for its central repository (Settings Reference, "Mirrors", "Servers").

use url::Url;

use super::pom::text;
use crate::rpm::xml::{Reader, Token};

/// What is read of a `<mirror>` or a `<server>`.
#[derive(Default)]
struct Entry {
    id: String,
    mirror_of: String,
    url: String,
    blocked: String,
    user: String,
    password: String,
}

impl Entry {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "id" => &mut self.id,
            "mirrorOf" => &mut self.mirror_of,
            "url" => &mut self.url,
            "blocked" => &mut self.blocked,
            "username" => &mut self.user,
            "password" => &mut self.password,
            _ => return None,
        })
    }

    fn is_of_central(&self) -> bool {
        let of: Vec<&str> = self.mirror_of.split(',').map(str::trim).collect();
        self.blocked != "true"
            && !of.contains(&"!central")
            && of.iter().any(|one| matches!(*one, "central" | "*" | "external:*"))
    }
}

/// The address of the first mirror of the central repository, with what its server asks for where that stands there in
/// plain text; none: there is no such mirror, or a variable in its address.
pub(in crate::languages) fn mirror(settings: &str) -> Option<Url> {
    let settings = text(settings.as_bytes());
    let mut reader = Reader::new(settings.as_bytes());
    let (mut mirrors, mut servers): (Vec<Entry>, Vec<Entry>) = Default::default();
    while let Some(token) = reader.next().ok()? {
        let path: Vec<&str> = reader.path().iter().map(String::as_str).collect();
        match (token, path.as_slice()) {
            (Token::Open(..), ["settings", "mirrors", "mirror"]) => mirrors.push(Entry::default()),
            (Token::Open(..), ["settings", "servers", "server"]) => servers.push(Entry::default()),
            (Token::Text(text), ["settings", kind @ ("mirrors" | "servers"), _, name]) => {
                let list = if *kind == "mirrors" { &mut mirrors } else { &mut servers };
                if let Some(field) = list.last_mut().and_then(|entry| entry.field(name)) {
                    field.push_str(&text);
                }
            }
            _ => {}
        }
    }
    let mirror = mirrors.iter().find(|mirror| mirror.is_of_central())?;
    if mirror.url.contains("${") {
        return None;
    }
    let mut url = Url::parse(&mirror.url).ok()?;
    // What Maven has encrypted, it alone can read; a variable, too.
    let plain = |text: &&str| !text.is_empty() && !text.starts_with('{') && !text.contains("${");
    if let Some(server) = servers.iter().find(|server| server.id == mirror.id) {
        let (user, password) = (server.user.as_str(), server.password.as_str());
        if let (Some(user), Some(password)) = (Some(user).filter(plain), Some(password).filter(plain)) {
            url.set_username(user).ok()?;
            url.set_password(Some(password)).ok()?;
        }
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(of: &str, more: &str) -> String {
        let mirror = |id: &str, of: &str, more: &str| {
            format!(
                "<mirror><id>{id}</id><mirrorOf>{of}</mirrorOf><url>https://{id}.example/maven</url>{more}</mirror>"
            )
        };
        format!(
            "<?xml version='1.0'?><settings><!-- a note --><servers><server><id>ours</id><username>me</username>\
             <password>hush</password></server></servers><mirrors>{}{}{}</mirrors></settings>",
            mirror("blocker", "external:http:*", ""),
            mirror("blocked", "*", "<blocked>true</blocked>"),
            mirror("ours", of, more),
        )
    }

    #[test]
    fn the_mirror_of_the_central_repository_is_found() {
        for of in ["central", "*", "*,!other", "other, central", "external:*"] {
            let url = mirror(&settings(of, "")).map(String::from);
            assert_eq!(url.as_deref(), Some("https://me:hush@ours.example/maven"), "{of}");
        }
        for of in ["other", "*,!central", "external:http:*"] {
            assert_eq!(mirror(&settings(of, "")), None, "{of}");
        }
        let encrypted = settings("*", "").replace("hush", "{COQLCE6DU6GtcS5P=}");
        assert_eq!(mirror(&encrypted).map(String::from).as_deref(), Some("https://ours.example/maven"));
        assert_eq!(mirror(&settings("*", "").replace("https://ours", "${scheme}://ours")), None);
        assert_eq!(mirror("<settings><mirrors>"), None);
    }
}
