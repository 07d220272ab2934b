package s3_test

import (
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
)

// A service on this machine has this machine's clock; it tells seconds.
func TestTheServiceSaysWhatTimeItIs(t *testing.T) {
	config := s3test.Start(t)
	stranger := config
	stranger.SecretKey = "wrong"
	for name, config := range map[string]s3.Config{"one it knows": config, "one it refuses": stranger} {
		asked := time.Now().Truncate(time.Second)
		there, err := open(t, config).Time(t.Context())
		if err != nil || there.Before(asked) || there.After(time.Now()) {
			t.Errorf("%s: between %v and %v the service's time is %v, %v", name, asked, time.Now(), there, err)
		}
	}
	config.Endpoint = "127.0.0.1:1"
	if there, err := open(t, config).Time(t.Context()); err == nil {
		t.Errorf("a service that is not there says %v", there)
	}
}
