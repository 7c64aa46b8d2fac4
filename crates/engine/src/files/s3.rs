//! Files in an S3-compatible store. An object is durable when it is written, so nothing is flushed.

use std::sync::Arc;

use ducksync_core::{Error, Result, error::FailureClass, files::StoredFile};
use futures::TryStreamExt;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, path::Path,
};

use crate::config::{S3Settings, UrlStyle};

/// One bucket.
#[derive(Clone)]
pub(super) struct Bucket {
    name: String,
    store: Arc<dyn ObjectStore>,
}

impl Bucket {
    /// The bucket that `path` (`bucket/prefix/`) begins with.
    pub(super) fn new(path: &str, settings: Option<&S3Settings>) -> Result<Self> {
        let Some(settings) = settings else {
            return Err(Error::failed_precondition(
                "the data path is on S3, but no S3 settings are given",
            )
            .with_remedy("set the s3 section of the configuration"));
        };
        let name = path.split('/').next().unwrap_or_default().to_owned();
        let virtual_host = settings.url_style == UrlStyle::Virtual;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&name)
            .with_region(&settings.region)
            .with_access_key_id(&settings.key)
            .with_secret_access_key(settings.secret.expose())
            .with_virtual_hosted_style_request(virtual_host)
            .with_allow_http(!settings.use_ssl);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(url(endpoint, &name, settings));
        }
        let store = builder.build().map_err(|_| {
            Error::failed_precondition("the S3 settings are not usable")
                .with_remedy("check endpoint, region, key and secret")
        })?;
        Ok(Self {
            name,
            store: Arc::new(store),
        })
    }

    pub(super) async fn size(&self, location: &str) -> Result<Option<u64>> {
        match self.store.head(&self.key(location)?).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look at", location, error)),
        }
    }

    pub(super) async fn delete(&self, locations: &[String]) -> Result<()> {
        for location in locations {
            match self.store.delete(&self.key(location)?).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(failed("delete", location, error)),
            }
        }
        Ok(())
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<StoredFile>> {
        // The store lists whole directories; what begins with the prefix is picked out of them.
        let directory = prefix
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        let key = self.key(&format!("{directory}/"))?;
        let base = format!("s3://{}/", self.name);
        let mut files: Vec<_> = self
            .store
            .list(Some(&key))
            .map_ok(|meta| StoredFile {
                location: format!("{base}{}", meta.location),
                size_bytes: meta.size,
            })
            .try_collect()
            .await
            .map_err(|error| failed("list", prefix, error))?;
        files.retain(|file| file.location.starts_with(prefix));
        files.sort_by(|left, right| left.location.cmp(&right.location));
        Ok(files)
    }

    pub(super) async fn probe(&self, root: &str) -> Result<()> {
        let key = self.key(&format!("{root}.probe-{}", std::process::id()))?;
        let tried = async {
            self.store.put(&key, "ducksync".into()).await?;
            let read = self.store.get(&key).await?.bytes().await?;
            self.store.delete(&key).await?;
            Ok::<_, StoreError>(read)
        };
        match tried.await {
            Ok(read) if read.as_ref() == b"ducksync" => Ok(()),
            Ok(_) => Err(Error::failed_precondition(format!(
                "the data path {root} does not give back what was written"
            ))),
            Err(error) => Err(Error::failed_precondition(format!(
                "the data path {root} cannot be written"
            ))
            .with_remedy(format!(
                "check that bucket {:?} exists, and its endpoint, region, key and rights",
                self.name
            ))
            .with_source(error)),
        }
    }

    /// The key of a location that lies under the data path.
    fn key(&self, location: &str) -> Result<Path> {
        let key = location
            .strip_prefix("s3://")
            .and_then(|path| path.strip_prefix(self.name.as_str()))
            .unwrap_or_default();
        // Not `from`, which would encode what is encoded already.
        Path::parse(key).map_err(|error| {
            Error::invalid(format!("{location} is not the location of an object"))
                .with_source(error)
        })
    }
}

fn url(endpoint: &str, bucket: &str, settings: &S3Settings) -> String {
    let host = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, host)| host);
    let scheme = if settings.use_ssl { "https" } else { "http" };
    match settings.url_style {
        UrlStyle::Path => format!("{scheme}://{host}"),
        UrlStyle::Virtual => format!("{scheme}://{bucket}.{host}"),
    }
}

fn failed(what: &str, location: &str, error: StoreError) -> Error {
    let message = format!("could not {what} {location} in the object store");
    match &error {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            Error::failed_precondition(message).with_remedy("check the key's rights")
        }
        _ => Error::unavailable(message).with_class(FailureClass::Resource),
    }
    .with_source(error)
}
