//! `redirect`: its components are templates over the request's. Source: ALB 2.5.2.

use crate::limits::REDIRECT_COMPONENT_CHARS_MAX;
use std::fmt;

/// A redirect action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301 or 302.
    pub status: RedirectStatus,
    protocol: RedirectProtocol,
    host: Template,
    port: RedirectPort,
    path: Template,
    query: Template,
}

/// `HTTP_301` or `HTTP_302`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectStatus {
    /// `HTTP_301`.
    MovedPermanently,
    /// `HTTP_302`.
    Found,
}

impl RedirectStatus {
    /// The status code.
    pub fn code(self) -> u16 {
        match self {
            Self::MovedPermanently => 301,
            Self::Found => 302,
        }
    }
}

/// The protocol of the new location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedirectProtocol {
    /// `#{protocol}`: that of the request.
    #[default]
    Same,
    /// `HTTP`.
    Http,
    /// `HTTPS`.
    Https,
}

/// The port of the new location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedirectPort {
    /// `#{port}`: that of the listener.
    #[default]
    Same,
    /// This one, 1 to 65535.
    Number(u16),
}

/// Text with keywords in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Copied as it is.
    Literal(String),
    /// Replaced by a part of the request.
    Keyword(Keyword),
}

/// What a template may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keyword {
    /// `#{protocol}`.
    Protocol,
    /// `#{host}`: without the port.
    Host,
    /// `#{port}`: of the listener.
    Port,
    /// `#{path}`: without the leading slash.
    Path,
    /// `#{query}`: without the question mark.
    Query,
}

impl Keyword {
    /// As written in a template.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Protocol => "#{protocol}",
            Self::Host => "#{host}",
            Self::Port => "#{port}",
            Self::Path => "#{path}",
            Self::Query => "#{query}",
        }
    }
}

/// The components of a redirect as users write them; what is left out keeps the request's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectParts<'a> {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: Option<&'a str>,
    /// 1 to 128 characters.
    pub host: Option<&'a str>,
    /// `1` to `65535`, or `#{port}`.
    pub port: Option<&'a str>,
    /// 1 to 128 characters, beginning with a slash.
    pub path: Option<&'a str>,
    /// 0 to 128 characters, without a leading question mark.
    pub query: Option<&'a str>,
}

/// Why a redirect is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectRefusal {
    /// A status other than 301 and 302.
    #[error("redirect status {0:?} must be 301 or 302")]
    Status(String),
    /// Not `HTTP`, `HTTPS` or the keyword.
    #[error("redirect protocol {0:?} must be HTTP, HTTPS or #{{protocol}}")]
    Protocol(String),
    /// Not a port or the keyword.
    #[error("redirect port {0:?} must be 1 to 65535 or #{{port}}")]
    Port(String),
    /// Too long, or empty where that is not allowed.
    #[error("redirect {component} {text:?} must have {min} to {REDIRECT_COMPONENT_CHARS_MAX} characters")]
    Length {
        /// `host`, `path` or `query`.
        component: &'static str,
        /// As given.
        text: String,
        /// The least number of characters.
        min: usize,
    },
    /// A path that does not begin with a slash.
    #[error("redirect path {0:?} must begin with /")]
    Path(String),
    /// A query that begins with a question mark.
    #[error("redirect query {0:?} must not begin with ?; it is added")]
    Query(String),
    /// A keyword that does not exist or may not stand here.
    #[error("redirect {component} {text:?}: {keyword} cannot be used here")]
    Keyword {
        /// `host`, `path` or `query`.
        component: &'static str,
        /// As given.
        text: String,
        /// The keyword.
        keyword: String,
    },
    /// A control character, space or other byte that cannot stand in a URL.
    #[error("redirect {component} {text:?} contains {found:?}, which cannot stand in a URL")]
    Character {
        /// `host`, `path` or `query`.
        component: &'static str,
        /// As given.
        text: String,
        /// The character.
        found: char,
    },
    /// Nothing but the query differs from the request.
    #[error("the redirect leads back to the same URL (a loop): change protocol, host, port or path")]
    Loop,
}

const PATH_KEYWORDS: &[Keyword] = &[Keyword::Host, Keyword::Path, Keyword::Port];
const HOST_KEYWORDS: &[Keyword] = &[Keyword::Host];
const QUERY_KEYWORDS: &[Keyword] = &[
    Keyword::Protocol,
    Keyword::Host,
    Keyword::Port,
    Keyword::Path,
    Keyword::Query,
];

impl RedirectStatus {
    /// Reads `HTTP_301`, `301`, `HTTP_302` or `302`.
    pub fn parse(text: &str) -> Result<Self, RedirectRefusal> {
        match text {
            "HTTP_301" | "301" => Ok(Self::MovedPermanently),
            "HTTP_302" | "302" => Ok(Self::Found),
            _ => Err(RedirectRefusal::Status(text.to_owned())),
        }
    }
}

impl Redirect {
    /// Checks the components and that the redirect leads somewhere else. Source: ALB 2.5.2.
    pub fn new(status: RedirectStatus, parts: &RedirectParts<'_>) -> Result<Self, RedirectRefusal> {
        let protocol = match parts.protocol {
            None | Some("#{protocol}") => RedirectProtocol::Same,
            Some(text) if text.eq_ignore_ascii_case("HTTP") => RedirectProtocol::Http,
            Some(text) if text.eq_ignore_ascii_case("HTTPS") => RedirectProtocol::Https,
            Some(text) => return Err(RedirectRefusal::Protocol(text.to_owned())),
        };
        let port = match parts.port {
            None | Some("#{port}") => RedirectPort::Same,
            Some(text) => match text.parse::<u16>() {
                Ok(number @ 1..) if !text.starts_with('+') => RedirectPort::Number(number),
                _ => return Err(RedirectRefusal::Port(text.to_owned())),
            },
        };
        let host = template("host", parts.host.unwrap_or("#{host}"), 1, HOST_KEYWORDS)?;
        let path_text = parts.path.unwrap_or("/#{path}");
        if !path_text.starts_with('/') {
            return Err(RedirectRefusal::Path(path_text.to_owned()));
        }
        let path = template("path", path_text, 1, PATH_KEYWORDS)?;
        let query_text = parts.query.unwrap_or("#{query}");
        if query_text.starts_with('?') {
            return Err(RedirectRefusal::Query(query_text.to_owned()));
        }
        let query = template("query", query_text, 0, QUERY_KEYWORDS)?;
        let same_host = host.0 == [Part::Keyword(Keyword::Host)];
        let same_path = path.0 == [Part::Literal("/".to_owned()), Part::Keyword(Keyword::Path)];
        if protocol == RedirectProtocol::Same && port == RedirectPort::Same && same_host && same_path {
            return Err(RedirectRefusal::Loop);
        }
        Ok(Self {
            status,
            protocol,
            host,
            port,
            path,
            query,
        })
    }

    /// The protocol of the new location.
    pub fn protocol(&self) -> RedirectProtocol {
        self.protocol
    }

    /// The host of the new location.
    pub fn host(&self) -> &Template {
        &self.host
    }

    /// The port of the new location.
    pub fn port(&self) -> RedirectPort {
        self.port
    }

    /// The path of the new location, with its leading slash.
    pub fn path(&self) -> &Template {
        &self.path
    }

    /// The query of the new location, without the question mark.
    pub fn query(&self) -> &Template {
        &self.query
    }
}

impl Template {
    /// Its pieces in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(text) => formatter.write_str(text),
            Part::Keyword(keyword) => formatter.write_str(keyword.as_str()),
        })
    }
}

fn template(component: &'static str, text: &str, min: usize, allowed: &[Keyword]) -> Result<Template, RedirectRefusal> {
    if !(min..=REDIRECT_COMPONENT_CHARS_MAX).contains(&text.chars().count()) {
        return Err(RedirectRefusal::Length {
            component,
            text: text.to_owned(),
            min,
        });
    }
    if let Some(found) = text.chars().find(|c| !('!'..='~').contains(c)) {
        return Err(RedirectRefusal::Character {
            component,
            text: text.to_owned(),
            found,
        });
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("#{") {
        let end = rest[at..].find('}').map_or(rest.len(), |length| at + length + 1);
        let keyword = allowed.iter().find(|keyword| keyword.as_str() == &rest[at..end]);
        let Some(&keyword) = keyword else {
            let keyword = rest[at..end].to_owned();
            return Err(RedirectRefusal::Keyword {
                component,
                text: text.to_owned(),
                keyword,
            });
        };
        if at > 0 {
            parts.push(Part::Literal(rest[..at].to_owned()));
        }
        parts.push(Part::Keyword(keyword));
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(Template(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(parts: &RedirectParts<'_>) -> Result<Redirect, RedirectRefusal> {
        Redirect::new(RedirectStatus::Found, parts)
    }

    // ALB-A-010: a redirect to itself is rejected as a loop
    #[test]
    fn a_redirect_to_itself_is_a_loop() {
        assert_eq!(redirect(&RedirectParts::default()), Err(RedirectRefusal::Loop));
        let identity = RedirectParts {
            protocol: Some("#{protocol}"),
            host: Some("#{host}"),
            port: Some("#{port}"),
            path: Some("/#{path}"),
            query: Some("changed=1"),
        };
        assert_eq!(redirect(&identity), Err(RedirectRefusal::Loop));
    }

    // ALB-A-011: members left out keep the request's parts
    #[test]
    fn members_left_out_are_the_identity() {
        let made = redirect(&RedirectParts {
            host: Some("example.com"),
            ..RedirectParts::default()
        })
        .unwrap();
        assert_eq!(made.protocol(), RedirectProtocol::Same);
        assert_eq!(made.port(), RedirectPort::Same);
        assert_eq!(made.path().to_string(), "/#{path}");
        assert_eq!(made.query().to_string(), "#{query}");
    }

    // ALB-A-016: 301 and 302 are the only codes
    #[test]
    fn status_is_301_or_302() {
        assert_eq!(RedirectStatus::parse("HTTP_301").map(RedirectStatus::code), Ok(301));
        assert_eq!(RedirectStatus::parse("302").map(RedirectStatus::code), Ok(302));
        for bad in ["303", "307", "308", "HTTP_307", "", "200"] {
            assert!(RedirectStatus::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn components_are_checked() {
        let bad = [
            RedirectParts {
                protocol: Some("FTP"),
                ..RedirectParts::default()
            },
            RedirectParts {
                port: Some("0"),
                ..RedirectParts::default()
            },
            RedirectParts {
                port: Some("65536"),
                ..RedirectParts::default()
            },
            RedirectParts {
                path: Some("a"),
                ..RedirectParts::default()
            },
            RedirectParts {
                path: Some("/#{query}"),
                ..RedirectParts::default()
            },
            RedirectParts {
                path: Some("/#{nope}"),
                ..RedirectParts::default()
            },
            RedirectParts {
                path: Some("/#{path"),
                ..RedirectParts::default()
            },
            RedirectParts {
                path: Some("/\r\nSet-Cookie:x"),
                ..RedirectParts::default()
            },
            RedirectParts {
                host: Some(""),
                ..RedirectParts::default()
            },
            RedirectParts {
                host: Some("#{path}"),
                ..RedirectParts::default()
            },
            RedirectParts {
                host: Some("a"),
                query: Some("?x"),
                ..RedirectParts::default()
            },
        ];
        for parts in bad {
            assert!(redirect(&parts).is_err(), "{parts:?}");
        }
        let good = RedirectParts {
            query: Some("#{query}&p=#{protocol}"),
            path: Some("/new/#{path}"),
            ..RedirectParts::default()
        };
        assert_eq!(redirect(&good).unwrap().query().to_string(), "#{query}&p=#{protocol}");
    }
}
