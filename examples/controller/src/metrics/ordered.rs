//! Metrics in the order of their labels, so that what is served does not depend on hashes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::Labels;

/// Metrics of one name, one for each set of labels.
#[derive(Debug)]
pub(super) struct Ordered<M> {
    metrics: Arc<Mutex<BTreeMap<Labels, M>>>,
    new: fn() -> M,
}

impl<M> Ordered<M> {
    pub(super) fn new(new: fn() -> M) -> Self {
        Self {
            metrics: Arc::default(),
            new,
        }
    }
}

impl<M: Clone> Ordered<M> {
    /// Returns the metric of some labels, which all that have it share.
    pub(super) fn get_or_create(&self, labels: &Labels) -> M {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = metrics.get(labels) {
            return metric.clone();
        }
        let metric = (self.new)();
        metrics.insert(labels.clone(), metric.clone());
        metric
    }
}

impl<M: Default> Default for Ordered<M> {
    fn default() -> Self {
        Self::new(M::default)
    }
}

impl<M> Clone for Ordered<M> {
    fn clone(&self) -> Self {
        Self {
            metrics: Arc::clone(&self.metrics),
            new: self.new,
        }
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for Ordered<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, metric) in &*metrics {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.is_empty()
    }
}
