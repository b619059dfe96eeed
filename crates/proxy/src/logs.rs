//! Where the lines of one core go: the access-log file, and the buckets of load balancers that want their logs delivered.

use crate::line::{Fields, JsonFields, LogFormat, TextFields};
use crate::log_delivery::LogHandles;
use observe::{AccessLogSender, DeliveryHandle, DeliverySender};
use std::cell::RefCell;

/// The senders of one core, and what lines look like.
#[derive(Clone, Debug, Default)]
pub(crate) struct CoreLogs {
    pub(crate) format: LogFormat,
    pub(crate) file: Option<AccessLogSender>,
    pub(crate) delivery: Option<DeliverySender>,
    /// Room for one line of JSON.
    json: RefCell<Vec<u8>>,
}

/// Somebody who says the fields of a line, in either form.
pub(crate) trait Say {
    /// Says all of them.
    fn say(&self, fields: &mut impl Fields);
}

impl CoreLogs {
    pub(crate) fn new(format: LogFormat, file: Option<AccessLogSender>, delivery: Option<DeliverySender>) -> Self {
        Self {
            format,
            file,
            delivery,
            json: RefCell::default(),
        }
    }

    /// Writes a line of the access log, and appends it to `kept` as text, whatever the form of the logs.
    pub(crate) fn access<'a>(&self, handles: &LogHandles, said: &impl Say, kept: &'a mut Vec<u8>) -> &'a [u8] {
        let start = kept.len();
        write(LogFormat::Text, said, kept);
        let text = &kept[start..];
        let delivery = self.delivery.as_ref().zip(handles.access.as_ref());
        if self.file.is_none() && delivery.is_none() {
            return text;
        }
        let mut json = self.json.borrow_mut();
        let line = match self.format {
            LogFormat::Text => text,
            LogFormat::Json => {
                json.clear();
                write(LogFormat::Json, said, &mut json);
                &json
            }
        };
        if let Some(file) = &self.file {
            file.line(|out| out.extend_from_slice(line));
        }
        if let Some((delivery, handle)) = delivery {
            delivery.line(handle, |out| out.extend_from_slice(line));
        }
        text
    }

    /// Writes a line of another log, if there is somebody to read it.
    pub(crate) fn deliver(&self, handle: Option<&DeliveryHandle>, said: &impl Say) {
        if let Some((delivery, handle)) = self.delivery.as_ref().zip(handle) {
            delivery.line(handle, |out| write(self.format, said, out));
        }
    }

    /// Hands over what was gathered. Every tick.
    pub(crate) fn flush(&self) {
        if let Some(file) = &self.file {
            file.flush();
        }
        if let Some(delivery) = &self.delivery {
            delivery.flush();
        }
    }
}

fn write(format: LogFormat, said: &impl Say, out: &mut Vec<u8>) {
    match format {
        LogFormat::Text => {
            let mut fields = TextFields::new(out);
            said.say(&mut fields);
            fields.end();
        }
        LogFormat::Json => {
            let mut fields = JsonFields::new(out);
            said.say(&mut fields);
            fields.end();
        }
    }
}
