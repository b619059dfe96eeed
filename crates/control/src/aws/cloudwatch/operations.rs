//! Every operation of CloudWatch: who answers it, or why nobody does.
//!
//! The dispatcher looks calls up here, and `docs/aws-api.md` is made from these lines, one operation each. Source:
//! CloudWatch's model of API version 2010-08-01.

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) answered: Answered,
    /// What of it is not as on AWS, for the page.
    pub(super) note: &'static str,
}

/// Who answers an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    ListMetrics,
    GetMetricData,
    GetMetricStatistics,
    PutMetricData,
    /// There is none of what it lists, and nobody can make one: these lists are empty.
    Nothing(&'static [&'static str]),
    /// Nobody: it is not built.
    Nobody,
}

/// The operation that AWS calls `name`.
pub(super) fn named(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

const fn built(name: &'static str, answered: Answered, note: &'static str) -> Operation {
    Operation { name, answered, note }
}

const fn nobody(name: &'static str, note: &'static str) -> Operation {
    let answered = Answered::Nobody;
    Operation { name, answered, note }
}

const ALARMS: &str = "there are no alarms";
const DASHBOARDS: &str = "there are no dashboards";
const DETECTORS: &str = "there are no anomaly detectors";
const INSIGHTS: &str = "there are no Contributor Insights rules";
const STREAMS: &str = "there are no metric streams";
const OTEL: &str = "there is no OpenTelemetry enrichment";
const DATASETS: &str = "there are no datasets";
const TAGS: &str = "alarms and rules have tags, and there are none of them";
const NO_ALARMS: Answered = Answered::Nothing(&["CompositeAlarms", "MetricAlarms"]);
const STATISTICS: &str = "percentiles of metrics that albacore measures as times; no other extended statistics; two weeks, a datapoint a minute";
const DATA: &str = "as GetMetricStatistics; no expressions, no dynamic labels, no other accounts";
const PUT: &str = "a datapoint a minute; no percentiles of what is not the same value throughout; no entities";

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    nobody("AssociateDatasetKmsKey", DATASETS),
    nobody("DeleteAlarmMuteRule", ALARMS),
    nobody("DeleteAlarms", ALARMS),
    nobody("DeleteAnomalyDetector", DETECTORS),
    nobody("DeleteDashboards", DASHBOARDS),
    nobody("DeleteInsightRules", INSIGHTS),
    nobody("DeleteMetricStream", STREAMS),
    nobody("DescribeAlarmContributors", ALARMS),
    built("DescribeAlarmHistory", Answered::Nothing(&["AlarmHistoryItems"]), ALARMS),
    built("DescribeAlarms", NO_ALARMS, ALARMS),
    built("DescribeAlarmsForMetric", Answered::Nothing(&["MetricAlarms"]), ALARMS),
    built("DescribeAnomalyDetectors", Answered::Nothing(&["AnomalyDetectors"]), DETECTORS),
    built("DescribeInsightRules", Answered::Nothing(&["InsightRules"]), INSIGHTS),
    nobody("DisableAlarmActions", ALARMS),
    nobody("DisableInsightRules", INSIGHTS),
    nobody("DisassociateDatasetKmsKey", DATASETS),
    nobody("EnableAlarmActions", ALARMS),
    nobody("EnableInsightRules", INSIGHTS),
    nobody("GetAlarmMuteRule", ALARMS),
    nobody("GetDashboard", DASHBOARDS),
    nobody("GetDataset", DATASETS),
    nobody("GetInsightRuleReport", INSIGHTS),
    built("GetMetricData", Answered::GetMetricData, DATA),
    built("GetMetricStatistics", Answered::GetMetricStatistics, STATISTICS),
    nobody("GetMetricStream", STREAMS),
    nobody("GetMetricWidgetImage", "nothing is drawn"),
    nobody("GetOTelEnrichment", OTEL),
    nobody("ListAlarmMuteRules", ALARMS),
    built("ListDashboards", Answered::Nothing(&["DashboardEntries"]), DASHBOARDS),
    nobody("ListManagedInsightRules", INSIGHTS),
    built("ListMetricStreams", Answered::Nothing(&["Entries"]), STREAMS),
    built("ListMetrics", Answered::ListMetrics, "metrics with a datapoint in the last two weeks"),
    nobody("ListTagsForResource", TAGS),
    nobody("PutAlarmMuteRule", ALARMS),
    nobody("PutAnomalyDetector", DETECTORS),
    nobody("PutCompositeAlarm", ALARMS),
    nobody("PutDashboard", DASHBOARDS),
    nobody("PutInsightRule", INSIGHTS),
    nobody("PutLogAlarm", ALARMS),
    nobody("PutManagedInsightRules", INSIGHTS),
    nobody("PutMetricAlarm", ALARMS),
    built("PutMetricData", Answered::PutMetricData, PUT),
    nobody("PutMetricStream", STREAMS),
    nobody("SetAlarmState", ALARMS),
    nobody("StartMetricStreams", STREAMS),
    nobody("StartOTelEnrichment", OTEL),
    nobody("StopMetricStreams", STREAMS),
    nobody("StopOTelEnrichment", OTEL),
    nobody("TagResource", TAGS),
    nobody("UntagResource", TAGS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_aws_is_listed_once() {
        assert_eq!(OPERATIONS.len(), 50);
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name));
        for operation in OPERATIONS {
            assert!(!operation.note.is_empty(), "{}", operation.name);
        }
        assert!(named("ListMetrics").is_some() && named("ListMetric").is_none());
    }
}
