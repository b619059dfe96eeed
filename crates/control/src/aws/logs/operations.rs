//! Every operation of CloudWatch Logs: who answers it, or why nobody does.

use super::{Call, Plan, events, filter, filters, groups, streams, tags};
use crate::aws::error::AwsError;
use serde_json::Value;

/// One operation.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) answered: Answered,
    /// What of it is not as on AWS, for the page.
    pub(super) note: &'static str,
}

/// Who answers an operation.
#[derive(Clone, Copy)]
pub(super) enum Answered {
    /// It changes nothing of the state.
    Read(fn(&Call<'_>) -> Result<Value, AwsError>),
    /// It changes the state.
    Change(fn(&Call<'_>) -> Result<Plan, AwsError>),
    /// It goes on after its answer has begun.
    Tail,
    /// Nobody: it is not built.
    Nobody,
}

/// The operation that AWS calls `name`.
pub(super) fn named(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

const fn read(name: &'static str, by: fn(&Call<'_>) -> Result<Value, AwsError>, note: &'static str) -> Operation {
    let answered = Answered::Read(by);
    Operation { name, answered, note }
}

const fn change(name: &'static str, by: fn(&Call<'_>) -> Result<Plan, AwsError>, note: &'static str) -> Operation {
    let answered = Answered::Change(by);
    Operation { name, answered, note }
}

const fn tail(name: &'static str, note: &'static str) -> Operation {
    let answered = Answered::Tail;
    Operation { name, answered, note }
}

const fn nobody(name: &'static str, note: &'static str) -> Operation {
    let answered = Answered::Nobody;
    Operation { name, answered, note }
}

const INSIGHTS: &str = "Logs Insights is not built; FilterLogEvents is";
const TAIL: &str = "SDKs must not put `stream-` before the host (boto3: `inject_host_prefix=False`); 16 at most";
const DELIVERY: &str = "events go nowhere else";
const MORE: &str = "this part of CloudWatch Logs is not built";

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    nobody("AssociateKmsKey", "policies and keys of log groups are not built"),
    nobody("AssociateSourceToS3TableIntegration", MORE),
    nobody("CancelExportTask", DELIVERY),
    nobody("CancelImportTask", DELIVERY),
    nobody("CreateDelivery", DELIVERY),
    nobody("CreateExportTask", DELIVERY),
    nobody("CreateImportTask", DELIVERY),
    nobody("CreateLogAnomalyDetector", MORE),
    change("CreateLogGroup", groups::create, "of the standard class, without KMS"),
    change("CreateLogStream", streams::create, ""),
    nobody("CreateLookupTable", MORE),
    nobody("CreateScheduledQuery", INSIGHTS),
    nobody("DeleteAccountPolicy", "policies and keys of log groups are not built"),
    nobody("DeleteDataProtectionPolicy", "policies and keys of log groups are not built"),
    nobody("DeleteDelivery", DELIVERY),
    nobody("DeleteDeliveryDestination", DELIVERY),
    nobody("DeleteDeliveryDestinationPolicy", DELIVERY),
    nobody("DeleteDeliverySource", DELIVERY),
    nobody("DeleteDestination", DELIVERY),
    nobody("DeleteIndexPolicy", MORE),
    nobody("DeleteIntegration", MORE),
    nobody("DeleteLogAnomalyDetector", MORE),
    change("DeleteLogGroup", groups::delete, ""),
    change("DeleteLogStream", streams::delete, ""),
    nobody("DeleteLookupTable", MORE),
    nobody("DeleteMetricFilter", "metric filters are not built"),
    nobody("DeleteQueryDefinition", INSIGHTS),
    nobody("DeleteResourcePolicy", "policies and keys of log groups are not built"),
    change("DeleteRetentionPolicy", groups::delete_retention, ""),
    nobody("DeleteScheduledQuery", INSIGHTS),
    nobody("DeleteSubscriptionFilter", DELIVERY),
    nobody("DeleteSyslogConfiguration", DELIVERY),
    nobody("DeleteTransformer", MORE),
    nobody("DescribeAccountPolicies", "policies and keys of log groups are not built"),
    nobody("DescribeConfigurationTemplates", MORE),
    nobody("DescribeDeliveries", DELIVERY),
    nobody("DescribeDeliveryDestinations", DELIVERY),
    nobody("DescribeDeliverySources", DELIVERY),
    nobody("DescribeDestinations", DELIVERY),
    nobody("DescribeExportTasks", DELIVERY),
    nobody("DescribeFieldIndexes", MORE),
    nobody("DescribeImportTaskBatches", DELIVERY),
    nobody("DescribeImportTasks", DELIVERY),
    nobody("DescribeIndexPolicies", MORE),
    read("DescribeLogGroups", groups::describe, "stored bytes are those of the files"),
    read("DescribeLogStreams", streams::describe, ""),
    nobody("DescribeLookupTables", MORE),
    read("DescribeMetricFilters", filters::of_metrics, "there are none"),
    nobody("DescribeQueries", INSIGHTS),
    nobody("DescribeQueryDefinitions", INSIGHTS),
    nobody("DescribeResourcePolicies", "policies and keys of log groups are not built"),
    read("DescribeSubscriptionFilters", filters::of_subscriptions, "there are none"),
    nobody("DisassociateKmsKey", "policies and keys of log groups are not built"),
    nobody("DisassociateSourceFromS3TableIntegration", MORE),
    read("FilterLogEvents", filter::filter, "from the oldest on; no regular expressions"),
    nobody("GetDataProtectionPolicy", "policies and keys of log groups are not built"),
    nobody("GetDelivery", DELIVERY),
    nobody("GetDeliveryDestination", DELIVERY),
    nobody("GetDeliveryDestinationPolicy", DELIVERY),
    nobody("GetDeliverySource", DELIVERY),
    nobody("GetIntegration", MORE),
    nobody("GetLogAnomalyDetector", MORE),
    read("GetLogEvents", events::get, "in the order of their arrival, each page by time"),
    nobody("GetLogFields", MORE),
    nobody("GetLogGroupFields", MORE),
    nobody("GetLogObject", MORE),
    nobody("GetLogRecord", MORE),
    nobody("GetLookupTable", MORE),
    nobody("GetQueryResults", INSIGHTS),
    nobody("GetScheduledQuery", INSIGHTS),
    nobody("GetScheduledQueryHistory", INSIGHTS),
    nobody("GetStorageTierPolicy", MORE),
    nobody("GetTransformer", MORE),
    nobody("ListAggregateLogGroupSummaries", MORE),
    nobody("ListAnomalies", MORE),
    nobody("ListIntegrations", MORE),
    nobody("ListLogAnomalyDetectors", MORE),
    read("ListLogGroups", groups::list, "by name and class only"),
    nobody("ListLogGroupsForQuery", INSIGHTS),
    nobody("ListScheduledQueries", INSIGHTS),
    nobody("ListSourcesForS3TableIntegration", MORE),
    nobody("ListSyslogConfigurations", DELIVERY),
    read("ListTagsForResource", tags::list, "log groups"),
    read("ListTagsLogGroup", tags::list_of_group, ""),
    nobody("PutAccountPolicy", "policies and keys of log groups are not built"),
    nobody("PutBearerTokenAuthentication", MORE),
    nobody("PutDataProtectionPolicy", "policies and keys of log groups are not built"),
    nobody("PutDeliveryDestination", DELIVERY),
    nobody("PutDeliveryDestinationPolicy", DELIVERY),
    nobody("PutDeliverySource", DELIVERY),
    nobody("PutDestination", DELIVERY),
    nobody("PutDestinationPolicy", DELIVERY),
    nobody("PutIndexPolicy", MORE),
    nobody("PutIntegration", MORE),
    read("PutLogEvents", events::put, "entities are not kept"),
    change("PutLogGroupDeletionProtection", groups::protect, ""),
    nobody("PutMetricFilter", "metric filters are not built"),
    nobody("PutQueryDefinition", INSIGHTS),
    nobody("PutResourcePolicy", "policies and keys of log groups are not built"),
    change("PutRetentionPolicy", groups::put_retention, ""),
    nobody("PutStorageTierPolicy", MORE),
    nobody("PutSubscriptionFilter", DELIVERY),
    nobody("PutSyslogConfiguration", DELIVERY),
    nobody("PutTransformer", MORE),
    tail("StartLiveTail", TAIL),
    nobody("StartQuery", INSIGHTS),
    nobody("StopQuery", INSIGHTS),
    change("TagLogGroup", tags::add_to_group, ""),
    change("TagResource", tags::add, "log groups"),
    nobody("TestMetricFilter", "metric filters are not built"),
    nobody("TestTransformer", MORE),
    change("UntagLogGroup", tags::remove_from_group, ""),
    change("UntagResource", tags::remove, "log groups"),
    nobody("UpdateAnomaly", MORE),
    nobody("UpdateDeliveryConfiguration", DELIVERY),
    nobody("UpdateLogAnomalyDetector", MORE),
    nobody("UpdateLookupTable", MORE),
    nobody("UpdateScheduledQuery", INSIGHTS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_aws_is_listed_once() {
        assert_eq!(OPERATIONS.len(), 118);
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name));
        for operation in OPERATIONS {
            let is_not_built = matches!(operation.answered, Answered::Nobody);
            assert!(!is_not_built || !operation.note.is_empty(), "{}", operation.name);
        }
        assert!(named("PutLogEvents").is_some() && named("PutLogEvent").is_none());
    }
}
