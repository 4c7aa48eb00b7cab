//! Chinese and English: which a visitor wants, and the words of both.

mod words;

use axum::http::{HeaderMap, header};

pub(crate) use words::{EN, Words, ZH, fill};

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lang {
    En,
    Zh,
}

impl Lang {
    /// For `<html lang>`.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-CN",
        }
    }
    /// For `?lang=`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
    pub(crate) fn other(self) -> Self {
        match self {
            Self::En => Self::Zh,
            Self::Zh => Self::En,
        }
    }
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::Zh => &ZH,
        }
    }
    /// `zh`, `zh-CN`, `en-GB`…
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let primary = text.split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::En),
            "zh" => Some(Self::Zh),
            _ => None,
        }
    }
    /// The cookie that `?lang=` left, else the browser's wish, else English.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self::of_cookie(headers).or_else(|| Self::of_wish(headers)).unwrap_or(Self::En)
    }
    fn of_cookie(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
        cookies.split(';').find_map(|pair| pair.trim().strip_prefix("lang=")).and_then(Self::parse)
    }
    /// `Accept-Language`, RFC 9110 section 12.5.4: the known language with the highest weight.
    fn of_wish(headers: &HeaderMap) -> Option<Self> {
        let wish = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best: Option<(f32, Self)> = None;
        for range in wish.split(',').take(20) {
            let mut parts = range.split(';');
            let lang = parts.next().map(str::trim).and_then(Self::parse);
            let weight = parts.find_map(|p| p.trim().strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            if let (Some(lang), Ok(weight)) = (lang, weight)
                && weight > best.map_or(0.0, |(w, _)| w)
            {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(header::HeaderName, &str)]) -> Lang {
        Lang::of(&pairs.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect())
    }

    #[test]
    fn the_cookie_wins_then_the_highest_weight() {
        assert_eq!(of(&[]), Lang::En);
        assert_eq!(of(&[(header::ACCEPT_LANGUAGE, "fr, zh-CN;q=0.8, en;q=0.5")]), Lang::Zh);
        assert_eq!(of(&[(header::ACCEPT_LANGUAGE, "zh;q=0.1,en-GB")]), Lang::En);
        assert_eq!(of(&[(header::ACCEPT_LANGUAGE, "zh"), (header::COOKIE, "a=b; lang=en")]), Lang::En);
        assert_eq!(of(&[(header::ACCEPT_LANGUAGE, "zh;q=x")]), Lang::En);
    }
}
