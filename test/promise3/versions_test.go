package promise3

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/postern-mail/postern/pkg/vault/s3"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

func s3Client(t *testing.T, bucket *s3.Config) *minio.Core {
	t.Helper()
	client, err := minio.NewCore(bucket.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(bucket.AccessKey, bucket.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func ofVersion(version minio.ObjectInfo) minio.GetObjectOptions {
	return minio.GetObjectOptions{VersionID: version.VersionID}
}

// versions lists every version and every delete marker.
func versions(t *testing.T, client *minio.Core, bucket string) []minio.ObjectInfo {
	t.Helper()
	var all []minio.ObjectInfo
	for object := range client.Client.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		all = append(all, object)
	}
	return all
}

// A meddling is what an operator's tool did to some originals in S3: it wrote over one,
// deleted another, and began an upload over a third that it never completed.
type meddling struct {
	w     world
	names []string
}

// meddle does nothing where the vault is a folder.
func meddle(t *testing.T, w world, before map[string]*itemv1.Record) *meddling {
	t.Helper()
	bucket := w.bucket(t)
	if bucket == nil {
		return nil
	}
	m := &meddling{w: w}
	for _, record := range before {
		if layer := layerOf(record, raw); record.GetClass() == "customer" && layer.GetObject() != "" {
			m.names = append(m.names, layer.GetObject())
		}
	}
	slices.Sort(m.names)
	if len(m.names) < 4 {
		t.Fatalf("%d customers' originals in the bucket", len(m.names))
	}
	client := s3Client(t, bucket)
	if _, err := client.Client.PutObject(t.Context(), bucket.Bucket, m.names[0], strings.NewReader("other"), 5, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.Client.RemoveObject(t.Context(), bucket.Bucket, m.names[1], minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	upload, err := client.NewMultipartUpload(t.Context(), bucket.Bucket, m.names[2], minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutObjectPart(t.Context(), bucket.Bucket, m.names[2], upload, 1, strings.NewReader("part"), 4, minio.PutObjectPartOptions{}); err != nil {
		t.Fatal(err)
	}
	seen, uploads := m.left(t)
	for i, want := range []int{2, 2, 1, 1} {
		if seen[m.names[i]] != want {
			t.Fatalf("%d versions of original %d, want %d", seen[m.names[i]], i, want)
		}
	}
	if uploads[m.names[2]] != 1 {
		t.Fatalf("%d unfinished uploads are seen, want 1", uploads[m.names[2]])
	}
	return m
}

// left counts versions with delete markers, and unfinished uploads, by name.
func (m *meddling) left(t *testing.T) (seen, uploads map[string]int) {
	t.Helper()
	bucket := m.w.bucket(t)
	client := s3Client(t, bucket)
	seen, uploads = map[string]int{}, map[string]int{}
	for _, version := range versions(t, client, bucket.Bucket) {
		seen[version.Key]++
	}
	for upload := range client.ListIncompleteUploads(t.Context(), bucket.Bucket, "", true) {
		if upload.Err != nil {
			t.Fatal(upload.Err)
		}
		uploads[upload.Key]++
	}
	return seen, uploads
}

// check sees that nothing at all is left of what must be gone.
func (m *meddling) check(t *testing.T, s story, now time.Time) {
	t.Helper()
	if m == nil {
		return
	}
	seen, uploads := m.left(t)
	destroyed, kept := 0, 0
	for item, record := range s.before {
		for _, layer := range record.GetLayers() {
			if layer.GetObject() == "" {
				continue
			}
			versions, begun := seen[layer.GetObject()], uploads[layer.GetObject()]
			if s.gone(record, layer, now) {
				destroyed++
				if versions+begun != 0 {
					t.Errorf("%s %s: %d versions and %d uploads are left of what is destroyed", item, layer.GetKind(), versions, begun)
				}
			} else if kept++; versions == 0 {
				t.Errorf("%s %s: nothing destroyed it and it is not there", item, layer.GetKind())
			}
		}
	}
	if destroyed < 10 || kept == 0 {
		t.Errorf("%d objects destroyed and %d kept: too few to tell", destroyed, kept)
	}
}
