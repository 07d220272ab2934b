// Package s3client is the one door to the S3 client library. It speaks of names,
// versions and uploads, in the terms of pkg/vault, and hides the library's types.
// It can destroy, so only pkg/vault/s3 and pkg/vault/erase may import it, which
// the compiler enforces.
package s3client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/postern-mail/postern/pkg/vault"
)

// A Lock says how the bucket holds objects until a date.
type Lock string

const (
	NoLock     Lock = ""           // dates are not sent
	Governance Lock = "governance" // a privileged account may lift it
	Compliance Lock = "compliance" // nobody may
)

// Config says where the bucket is and how to get in. Endpoint, Bucket and the two
// keys are needed; the rest has defaults.
type Config struct {
	Endpoint  string // host or host:port
	Region    string // default us-east-1
	Bucket    string
	AccessKey string
	SecretKey string

	PathStyle bool           // the bucket stands in the path, not in the host name
	Plaintext bool           // HTTP without TLS: for a server on the same machine
	Roots     *x509.CertPool // nil: the system's

	Lock Lock // the bucket must have object lock where this is set

	Stall     time.Duration // a connection without progress for so long is given up; default 30s
	Tries     int           // of one request; default 4
	SinglePut int           // bytes up to which an object is one request; default 256 KiB
	PartSize  int           // bytes of a part above that, at least 5 MiB; default 5 MiB
}

// Limits and defaults of Config.
const (
	DefaultRegion    = "us-east-1"
	DefaultStall     = 30 * time.Second
	DefaultTries     = 4
	DefaultSinglePut = 256 << 10
	MinPartSize      = 5 << 20 // S3's, for all parts but the last
	MaxParts         = 10_000  // S3's
	connections      = 256     // kept open at most
)

// A Client works on one bucket.
type Client struct {
	core   *minio.Core
	bucket string
	lock   minio.RetentionMode
	http   *dated
	Config Config // with its defaults filled in
}

// New makes a client. It does not connect.
func New(c Config) (*Client, error) {
	if c.Endpoint == "" || c.Bucket == "" || c.AccessKey == "" || c.SecretKey == "" {
		return nil, errors.New("s3: endpoint, bucket, access key and secret key are needed")
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Stall <= 0 {
		c.Stall = DefaultStall
	}
	if c.Tries <= 0 {
		c.Tries = DefaultTries
	}
	if c.SinglePut <= 0 {
		c.SinglePut = DefaultSinglePut
	}
	if c.PartSize == 0 {
		c.PartSize = MinPartSize
	}
	if c.PartSize < MinPartSize || c.PartSize < c.SinglePut {
		return nil, fmt.Errorf("s3: part size %d is below %d", c.PartSize, max(MinPartSize, c.SinglePut))
	}
	var lock minio.RetentionMode
	switch c.Lock {
	case NoLock:
	case Governance:
		lock = minio.Governance
	case Compliance:
		lock = minio.Compliance
	default:
		return nil, fmt.Errorf("s3: object lock %q is none of governance, compliance", c.Lock)
	}
	transport := &dated{Transport: transport(c)}
	lookup := minio.BucketLookupDNS
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	core, err := minio.NewCore(c.Endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure:       !c.Plaintext,
		Transport:    transport,
		Region:       c.Region, // set, so the library never asks for it
		BucketLookup: lookup,
		MaxRetries:   c.Tries,
	})
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return &Client{core: core, bucket: c.Bucket, lock: lock, http: transport, Config: c}, nil
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Locks tells whether dates are sent.
func (c *Client) Locks() bool { return c.lock != "" }

// CreateBucket makes the bucket, with versions and object lock where the
// configuration asks for a lock.
func (c *Client) CreateBucket(ctx context.Context) error {
	err := c.core.MakeBucket(ctx, c.bucket, minio.MakeBucketOptions{Region: c.Config.Region, ObjectLocking: c.Locks()})
	return translate("create bucket", err)
}

// EnableVersions has the bucket keep what is overwritten or deleted.
func (c *Client) EnableVersions(ctx context.Context) error {
	return translate("enable versions", c.core.EnableVersioning(ctx, c.bucket))
}

// Check asks whether the bucket is there and locks as configured.
func (c *Client) Check(ctx context.Context) error {
	there, err := c.core.BucketExists(ctx, c.bucket)
	if err != nil {
		return translate("check bucket", err)
	}
	if !there {
		return fmt.Errorf("s3: bucket %s does not exist: create it, or correct the name", c.bucket)
	}
	if !c.Locks() {
		return nil
	}
	enabled, _, _, _, err := c.core.GetObjectLockConfig(ctx, c.bucket)
	if code(err) == "ObjectLockConfigurationNotFoundError" || err == nil && enabled != "Enabled" {
		return fmt.Errorf("s3: bucket %s has no object lock: it can only be switched on when a bucket is made", c.bucket)
	}
	return translate("check object lock", err)
}

func transport(c Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &stallConn{Conn: conn, limit: c.Stall}, nil
		},
		TLSClientConfig:       &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * c.Stall,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   connections,
		MaxIdleConns:          connections,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // ciphertext: what is stored is what is sent
	}
}

// stallConn gives up when one read or write takes too long, so neither a body
// that stops coming nor a server that stops reading holds a worker for ever.
type stallConn struct {
	net.Conn
	limit time.Duration
}

func (s *stallConn) Read(p []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(s.limit)); err != nil {
		return 0, err
	}
	return s.Conn.Read(p)
}

func (s *stallConn) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.limit)); err != nil {
		return 0, err
	}
	return s.Conn.Write(p)
}

// code is what the server calls an error; empty for one that is not its answer.
func code(err error) string {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// translate turns the library's errors into those of pkg/vault. A bucket that is
// missing is not an object that is missing.
func translate(doing string, err error) error {
	if err == nil {
		return nil
	}
	switch code(err) {
	case minio.NoSuchKey, minio.NoSuchVersion:
		return vault.ErrNotFound
	case minio.PreconditionFailed, "ConditionalRequestConflict":
		return vault.ErrExists
	}
	return fmt.Errorf("s3 %s: %w", doing, err)
}
