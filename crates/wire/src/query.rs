//! The query protocol's requests: form fields whose names are paths. Source: ALB 9.1.
//!
//! ```text
//! Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight=5
//! ```
//!
//! A form remembers which of its fields were read. What nobody has read is a parameter that the operation does not know:
//! it must be refused, not passed over. It also remembers what was found wrong with its fields, so that whoever reads them
//! can go on and tell of all of them at once.

mod tree;

use crate::percent::decoded;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Fields of one request.
pub const FIELDS_MAX: usize = 10_000;
/// Bytes of a field's name.
pub const NAME_BYTES_MAX: usize = 512;

/// Fields of a form that are complained of; of those beyond nothing is said.
pub const COMPLAINTS_MAX: usize = 100;

/// Why a form cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// More fields than there may be.
    #[error("the request has more than {FIELDS_MAX} parameters")]
    TooMany,
    /// A name that is longer than any that is known.
    #[error("the name of a parameter has more than {NAME_BYTES_MAX} bytes")]
    LongName,
    /// A name or value that is no UTF-8.
    #[error("a parameter is not UTF-8")]
    Encoding,
    /// One name twice.
    #[error("the parameter {0} was given more than once")]
    Repeated(String),
    /// A list with a value of its own.
    #[error("the parameter {0} is a list: its values are {0}.member.1, {0}.member.2 and so on")]
    NoList(String),
}

/// The fields of one request.
#[derive(Debug, Default)]
pub struct Form {
    fields: BTreeMap<String, Field>,
    complaints: Mutex<Vec<Complaint>>,
}

/// What was found wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The field, as the caller is told its name.
    pub place: String,
    /// What is wrong, in words for the caller.
    pub text: String,
}

#[derive(Debug)]
struct Field {
    value: String,
    read: AtomicBool,
}

impl Form {
    /// Reads forms one after the other: a query string and a body, both in the encoding of HTML forms.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn read(parts: &[&[u8]]) -> Result<Self, QueryError> {
        let mut fields = BTreeMap::new();
        for pair in parts.iter().flat_map(|part| part.split(|byte| *byte == b'&')) {
            if pair.is_empty() {
                continue;
            }
            if fields.len() >= FIELDS_MAX {
                return Err(QueryError::TooMany);
            }
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let text = |bytes: &[u8]| String::from_utf8(decoded(bytes, true)).map_err(|_| QueryError::Encoding);
            let (name, value) = (text(&pair[..end])?, text(pair.get(end + 1..).unwrap_or_default())?);
            if name.len() > NAME_BYTES_MAX {
                return Err(QueryError::LongName);
            }
            let read = AtomicBool::new(false);
            if fields.insert(name.clone(), Field { value, read }).is_some() {
                return Err(QueryError::Repeated(name));
            }
        }
        Ok(Self {
            fields,
            complaints: Mutex::default(),
        })
    }

    /// All fields.
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            form: self,
            prefix: String::new(),
        }
    }

    /// The first field that nobody has read.
    pub fn unread(&self) -> Option<&str> {
        let unread = |(_, field): &(&String, &Field)| !field.read.load(Ordering::Relaxed);
        self.fields.iter().find(unread).map(|(name, _)| name.as_str())
    }

    /// What was found wrong with the fields, in the order in which it was found.
    pub fn complaints(&self) -> Vec<Complaint> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The fields that stand below a prefix, by name.
    fn below<'a, 'p>(&'a self, prefix: &'p str) -> impl Iterator<Item = (&'a String, &'a Field)> + use<'a, 'p> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let range = self.fields.range::<str, _>(from);
        range.take_while(move |(name, _)| name.starts_with(prefix))
    }
}

/// The fields of the request, or of one structure in it.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    form: &'a Form,
    /// What the names of these fields begin with.
    prefix: String,
}

impl<'a> Fields<'a> {
    /// The value of a field.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.value(&self.path(name))
    }

    /// The value of a field, which counts as unread all the same: for those that look at a request before it is answered.
    pub fn peek(&self, name: &str) -> Option<&'a str> {
        self.form.fields.get(&self.path(name)).map(|field| field.value.as_str())
    }

    /// The same for all values of a field, its lists and structures.
    pub fn peek_below(&self, name: &str) -> Vec<&'a str> {
        let prefix = self.path(&format!("{name}."));
        let mut values: Vec<_> = self.peek(name).into_iter().collect();
        values.extend(self.form.below(&prefix).map(|(_, field)| field.value.as_str()));
        values
    }

    /// The whole name of a field, for messages.
    pub fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Remembers what is wrong with a field. Of one field only the first complaint counts: those that follow come from
    /// what stands in its place.
    pub fn complain(&self, complaint: Complaint) {
        let mut complaints = self.form.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = complaints.iter().any(|it| it.place == complaint.place);
        if !is_known && complaints.len() < COMPLAINTS_MAX {
            complaints.push(complaint);
        }
    }

    /// Whether the field is there, as a value, a list or a structure. An empty list is.
    pub fn has(&self, name: &str) -> bool {
        self.form.fields.contains_key(&self.path(name)) || self.has_below(&self.path(name))
    }

    /// A structure; `None` when no member of it is there.
    pub fn structure(&self, name: &str) -> Option<Fields<'a>> {
        let path = self.path(name);
        self.has_below(&path).then(|| self.at(&path))
    }

    /// The members of a list of structures, by their numbers.
    ///
    /// # Errors
    /// The list has a value of its own, which is not empty.
    pub fn list(&self, name: &str) -> Result<Vec<Fields<'a>>, QueryError> {
        let path = self.path(name);
        self.no_value(&path)?;
        Ok(self
            .numbered(&format!("{path}.member."))
            .iter()
            .map(|it| self.at(it))
            .collect())
    }

    /// The members of a list that EC2 writes without `member`: `Filter.1.Name`.
    ///
    /// # Errors
    /// The list has a value of its own, which is not empty.
    pub fn flat_list(&self, name: &str) -> Result<Vec<Fields<'a>>, QueryError> {
        let path = self.path(name);
        self.no_value(&path)?;
        let members = self.numbered(&format!("{path}."));
        Ok(members.iter().map(|it| self.at(it)).collect())
    }

    /// The members of a list of texts that EC2 writes without `member`: `VpcId.1`.
    ///
    /// # Errors
    /// The list has a value of its own, which is not empty.
    pub fn flat_texts(&self, name: &str) -> Result<Vec<&'a str>, QueryError> {
        let path = self.path(name);
        self.no_value(&path)?;
        let members = self.numbered(&format!("{path}."));
        Ok(members.iter().filter_map(|member| self.value(member)).collect())
    }

    /// The members of a list of texts, by their numbers.
    ///
    /// # Errors
    /// The list has a value of its own, which is not empty.
    pub fn texts(&self, name: &str) -> Result<Vec<&'a str>, QueryError> {
        let path = self.path(name);
        self.no_value(&path)?;
        let members = self.numbered(&format!("{path}.member."));
        Ok(members.iter().filter_map(|member| self.value(member)).collect())
    }

    /// The entries of a map, by their numbers.
    ///
    /// # Errors
    /// The map has a value of its own, which is not empty.
    pub fn map(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>, QueryError> {
        let path = self.path(name);
        self.no_value(&path)?;
        let entries = self.numbered(&format!("{path}.entry."));
        let entry = |path: &String| {
            let fields = self.at(path);
            Some((fields.text("key")?, fields.text("value").unwrap_or_default()))
        };
        Ok(entries.iter().filter_map(entry).collect())
    }

    fn value(&self, path: &str) -> Option<&'a str> {
        let field = self.form.fields.get(path)?;
        field.read.store(true, Ordering::Relaxed);
        Some(&field.value)
    }

    fn at(&self, path: &str) -> Fields<'a> {
        Fields {
            form: self.form,
            prefix: format!("{path}."),
        }
    }

    fn has_below(&self, path: &str) -> bool {
        self.form.below(&format!("{path}.")).next().is_some()
    }

    /// SDKs write an empty list as a field without a value.
    fn no_value(&self, path: &str) -> Result<(), QueryError> {
        match self.value(path) {
            None | Some("") => Ok(()),
            Some(_) => Err(QueryError::NoList(path.to_owned())),
        }
    }

    /// The paths `prefix` and N, by N. Numbers are written without zeros in front; others are not read, and so refused.
    fn numbered(&self, prefix: &str) -> Vec<String> {
        let mut numbers: Vec<u32> = Vec::new();
        for (name, _) in self.form.below(prefix) {
            let rest = &name[prefix.len()..];
            let digits = rest.split('.').next().unwrap_or_default();
            let number = digits.parse::<u32>().ok().filter(|it| it.to_string() == digits);
            // The fields of one member stand together.
            if let Some(number) = number.filter(|it| numbers.last() != Some(it)) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter().map(|number| format!("{prefix}{number}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::read(&[text.as_bytes()]).unwrap()
    }

    #[test]
    fn lists_and_structures_are_paths() {
        let form = form(
            "Action=CreateRule&Actions.member.2.Type=b&Actions.member.10.Type=c&Actions.member.1.Type=a%26%2B+\
             &Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=5&Values.member.1=x&Values.member.2=y&Empty=",
        );
        let fields = form.fields();
        assert_eq!(fields.text("Action"), Some("CreateRule"));
        let actions = fields.list("Actions").unwrap();
        let types: Vec<_> = actions.iter().map(|action| action.text("Type").unwrap()).collect();
        assert_eq!(types, ["a&+ ", "b", "c"]);
        let forward = actions[0].structure("ForwardConfig").unwrap();
        let groups = forward.list("TargetGroups").unwrap();
        assert_eq!(
            groups[0].path("Weight"),
            "Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight"
        );
        assert_eq!(groups[0].text("Weight"), Some("5"));
        assert!(actions[1].structure("ForwardConfig").is_none());
        assert_eq!(fields.texts("Values").unwrap(), ["x", "y"]);
        assert!(fields.has("Empty") && !fields.has("Val") && fields.has("Values"));
        assert_eq!(fields.texts("Empty").unwrap(), [""; 0]);
        assert_eq!(form.unread(), None);
    }

    #[test]
    fn lists_of_ec2_have_no_members() {
        let form = form("VpcId.2=b&VpcId.1=a&Filter.1.Name=vpc-id&Filter.1.Value.1=x&Filter.1.Value.2=y&Other=");
        let fields = form.fields();
        assert_eq!(fields.flat_texts("VpcId").unwrap(), ["a", "b"]);
        let filters = fields.flat_list("Filter").unwrap();
        assert_eq!(filters[0].text("Name"), Some("vpc-id"));
        assert_eq!(filters[0].flat_texts("Value").unwrap(), ["x", "y"]);
        assert_eq!(fields.flat_texts("Other").unwrap(), [""; 0]);
        assert_eq!(form.unread(), None);
    }

    #[test]
    fn maps_have_entries() {
        let form = form("Extra.entry.2.key=b&Extra.entry.2.value=2&Extra.entry.1.key=a&Extra.entry.1.value=1");
        assert_eq!(form.fields().map("Extra").unwrap(), [("a", "1"), ("b", "2")]);
        assert_eq!(form.unread(), None);
    }

    #[test]
    fn what_nobody_reads_is_known() {
        let form = form("Action=a&Tags.member.01.Key=x&Name=b");
        assert_eq!(form.fields().list("Tags").unwrap().len(), 0);
        assert_eq!(form.fields().text("Action"), Some("a"));
        assert_eq!(form.unread(), Some("Name"));
        assert_eq!(form.fields().peek("Name"), Some("b"));
        assert_eq!(form.fields().peek_below("Tags"), ["x"]);
        assert_eq!(form.unread(), Some("Name"), "a look leaves no trace");
        assert_eq!(form.fields().text("Name"), Some("b"));
        assert_eq!(form.unread(), Some("Tags.member.01.Key"));
    }

    #[test]
    fn of_each_field_one_complaint_is_kept() {
        let form = form("Port=0&Name=a");
        let complain = |place: &str, text: &str| {
            let (place, text) = (place.to_owned(), text.to_owned());
            form.fields().complain(Complaint { place, text });
        };
        complain("port", "too small");
        complain("name", "too short");
        complain("port", "not even");
        let texts: Vec<_> = form.complaints().into_iter().map(|it| it.text).collect();
        assert_eq!(texts, ["too small", "too short"]);
        (0..2 * COMPLAINTS_MAX).for_each(|number| complain(&number.to_string(), ""));
        assert_eq!(form.complaints().len(), COMPLAINTS_MAX);
    }

    #[test]
    fn hostile_forms_are_refused() {
        let read = |text: &str| Form::read(&[text.as_bytes()]).map(|_| ());
        assert_eq!(read("a=1&a=2"), Err(QueryError::Repeated("a".to_owned())));
        assert_eq!(read("%ff=1"), Err(QueryError::Encoding));
        assert_eq!(read(&format!("{}=1", "a".repeat(513))), Err(QueryError::LongName));
        let many: Vec<_> = (0..=FIELDS_MAX).map(|number| format!("a{number}=")).collect();
        assert_eq!(read(&many.join("&")), Err(QueryError::TooMany));
        let form = form("Values=x");
        assert!(form.fields().texts("Values").is_err());
    }

    #[test]
    fn query_string_and_body_are_one_form() {
        let form = Form::read(&[b"Action=a&", b"Version=2015-12-01"]).unwrap();
        assert_eq!(form.fields().text("Version"), Some("2015-12-01"));
        let twice = Form::read(&[b"Action=a", b"Action=b"]).map(|_| ());
        assert_eq!(twice, Err(QueryError::Repeated("Action".to_owned())));
    }
}
