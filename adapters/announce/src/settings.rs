//! How the target's service is reached.

use aws_config::{Region, SdkConfig};
use taskwatch_aws::{AwsSettings, bounded};

use crate::target::Target;

/// What the environment says, for this target: the region that it names comes first.
pub(crate) async fn load(settings: &AwsSettings, target: &Target) -> SdkConfig {
    let region = target.region.clone().or_else(|| settings.region.clone());
    AwsSettings { region, endpoint: settings.endpoint.clone() }.load().await
}

/// The same for this target: its region and address, our bounds.
pub(crate) fn adapted(config: &SdkConfig, target: &Target) -> SdkConfig {
    let mut builder = bounded(config);
    if let Some(region) = &target.region {
        builder = builder.region(Region::new(region.clone()));
    }
    if let (Some(endpoint), None) = (&target.endpoint, config.endpoint_url()) {
        builder = builder.endpoint_url(endpoint);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted_for(target: &str, endpoint: Option<&str>) -> (String, Option<String>) {
        let mut config = SdkConfig::builder().region(Region::new("us-east-1"));
        config.set_endpoint_url(endpoint.map(str::to_owned));
        let adapted = adapted(&config.build(), &target.parse().unwrap());
        assert_eq!(adapted.timeout_config().and_then(|times| times.operation_timeout()), Some(taskwatch_aws::CALL));
        (adapted.region().unwrap().to_string(), adapted.endpoint_url().map(str::to_owned))
    }

    #[test]
    fn the_target_decides_on_the_region_and_the_user_on_the_address() {
        let expect = |region: &str, endpoint: Option<&str>| (region.to_owned(), endpoint.map(str::to_owned));
        let topic = "arn:aws:sns:eu-west-1:123456789012:t";
        assert_eq!(adapted_for(topic, None), expect("eu-west-1", None));
        assert_eq!(adapted_for(topic, Some("http://a")), expect("eu-west-1", Some("http://a")));
        let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/q";
        assert_eq!(adapted_for(queue, None), expect("eu-west-1", None));
        let elsewhere = "http://127.0.0.1:4566/000000000000/q";
        assert_eq!(adapted_for(elsewhere, None), expect("us-east-1", Some("http://127.0.0.1:4566")));
        assert_eq!(adapted_for(elsewhere, Some("http://a")), expect("us-east-1", Some("http://a")));
    }

    #[test]
    fn a_call_with_its_retries_ends_before_patience_does() {
        assert!(taskwatch_aws::CALL < crate::PATIENCE);
    }
}
