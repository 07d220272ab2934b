package s3client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
)

// dated notes when the service says that it answers (RFC 9110 §6.6.1).
type dated struct {
	*http.Transport
	last atomic.Pointer[time.Time]
}

func (d *dated) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := d.Transport.RoundTrip(request)
	if err == nil {
		if said, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			d.last.Store(&said)
		}
	}
	return response, err
}

// Time asks what time it is by the service's clock, to the second.
func (c *Client) Time(ctx context.Context) (time.Time, error) {
	c.http.last.Store(nil)
	// A name that CheckName refuses, so there is no such object; also a refusal is dated.
	_, err := c.core.StatObject(ctx, c.bucket, "_", minio.StatObjectOptions{})
	if said := c.http.last.Load(); said != nil {
		return said.UTC(), nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("s3: time: %w", translate("time", err))
	}
	return time.Time{}, errors.New("s3: the service does not say when it answers")
}
