//! Changes of what ACM and CloudWatch Logs know.

use super::Draw;
use model::acm::{Change as AcmChange, Origin, Record, Requested, Validation};
use model::lambda::logging::LogGroupName;
use model::logs::{Change as LogsChange, LogGroup, LogStream, LogStreamId, Retention};
use model::{Change, Timestamp};

impl Draw {
    pub(super) fn acm(&mut self) -> Change {
        Change::Acm(match self.chance(80) {
            true => AcmChange::Put(self.acm_record().into()),
            false => AcmChange::Delete(self.certificate_arn()),
        })
    }

    pub(super) fn logs(&mut self) -> Change {
        Change::Logs(match self.below(6) {
            0 | 1 => LogsChange::PutGroup(self.log_group().into()),
            2 => LogsChange::DeleteGroup(self.log_group_name()),
            3 | 4 => LogsChange::PutStream(self.log_stream().into()),
            _ => LogsChange::DeleteStream(self.log_stream_id()),
        })
    }

    fn acm_record(&mut self) -> Record {
        let origin = match self.chance(70) {
            true => Origin::Requested(Requested {
                domain_name: self.text(),
                names: self.some(3, Self::text),
                validation: self.pick(&[Validation::Dns, Validation::Email]),
                validation_domains: self.some(2, |draw| (draw.text(), draw.text())),
                token: self.maybe(Self::text),
                renewed_at: self.maybe(|draw| Timestamp(draw.number())),
            }),
            false => Origin::Imported {
                at: Timestamp(self.number()),
            },
        };
        Record {
            arn: self.certificate_arn(),
            created_at: Timestamp(self.number()),
            origin,
            transparency_logging: self.chance(50),
        }
    }

    fn log_group(&mut self) -> LogGroup {
        LogGroup {
            name: self.log_group_name(),
            created_at: Timestamp(self.number()),
            retention: self.maybe(|draw| Retention::try_from(draw.pick(&[1, 30, 3653])).unwrap()),
            is_deletion_protected: self.chance(30),
            tags: self.tags().into(),
        }
    }

    fn log_stream(&mut self) -> LogStream {
        LogStream {
            id: self.log_stream_id(),
            created_at: Timestamp(self.number()),
        }
    }

    fn log_group_name(&mut self) -> LogGroupName {
        LogGroupName::try_from(self.pick(&["/aws/lambda/orders", "a.b_c-d#9"])).unwrap()
    }

    fn log_stream_id(&mut self) -> LogStreamId {
        let group = self.log_group_name();
        LogStreamId::new(&group, self.pick(&["2026/01/01/[$LATEST]ab", "größe"])).unwrap()
    }
}
