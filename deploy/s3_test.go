package deploy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/services/postern/fleet"
)

const rootSecret = "secret-of-root"

// gateway starts a versitygw as the compose file does and has s3/prepare make its bucket, twice.
func gateway(t *testing.T) (endpoint string) {
	t.Helper()
	program, err := fleet.Find("versitygw")
	if err == nil {
		_, err = exec.LookPath("curl")
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	secrets := map[string]string{"root-secret-key": rootSecret}
	for _, user := range []string{"ingest", "verify", "scan", "archive", "sanitize", "desk", "retain", "keyring", "operator", "rebuild"} {
		secrets["postern-"+user] = "secret-of-" + user
	}
	for _, name := range []string{"secrets", "iam", "versions", "objects"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, secret := range secrets {
		if err := os.WriteFile(filepath.Join(folder, "secrets", name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for try := 1; ; try++ { // somebody may take the port between our looking and its listening
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		endpoint = listener.Addr().String()
		listener.Close()
		if serves(t, endpoint, program, folder) {
			break
		}
		if try == 5 {
			t.Fatal("the gateway does not start")
		}
	}
	for range 2 {
		prepare := exec.Command("sh", "s3/prepare")
		prepare.Env = append(os.Environ(), "ENDPOINT=http://"+endpoint, "SECRETS="+filepath.Join(folder, "secrets"), "POLICY=s3/policy.json")
		if out, err := prepare.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "the bucket is ready\n") {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return endpoint
}

// serves starts the gateway and waits until it is well; false where it ended at once.
func serves(t *testing.T, endpoint, program, folder string) bool {
	t.Helper()
	server := exec.Command(program, "--port", endpoint, "--health", "/healthz", "--quiet", "--iam-dir", filepath.Join(folder, "iam"),
		"posix", "--versioning-dir", filepath.Join(folder, "versions"), filepath.Join(folder, "objects"))
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY=root", "ROOT_SECRET_KEY="+rootSecret)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = server.Wait(); close(ended) }()
	t.Cleanup(func() { _ = server.Process.Kill(); <-ended })
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if answer, err := http.Get("http://" + endpoint + "/healthz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-t.Context().Done():
			t.Fatal("the gateway does not answer")
		case <-again.C:
		}
	}
}

func TestEachServiceMayDoInS3WhatItsWorkNeedsAndNoMore(t *testing.T) {
	endpoint := gateway(t)
	ctx := t.Context()
	settings := func(user string) s3.Config {
		return s3.Config{Endpoint: endpoint, Bucket: "postern", AccessKey: "postern-" + user, SecretKey: "secret-of-" + user, PathStyle: true, Plaintext: true, Tries: 1}
	}
	as := func(user string) *s3.Store {
		store, err := s3.New(settings(user))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	}
	put := func(user, name string, size int) error {
		_, err := as(user).Put(ctx, name, strings.NewReader(strings.Repeat("x", size)), vault.PutOptions{Size: int64(size)})
		return err
	}
	get := func(user, name string) error {
		body, _, err := as(user).Get(ctx, name)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(io.Discard, body)
		return err
	}
	names := func(user string) error {
		for _, err := range as(user).List(ctx, "raw/", "") {
			return err
		}
		return errors.New("nothing is listed")
	}
	const large = 40 << 20 // in several parts
	for _, step := range []struct {
		who, what string
		may       bool
		do        func() error
	}{
		{"ingest", "stores a mail", true, func() error { return put("ingest", "raw/2026/11/22/one", 1000) }},
		{"ingest", "stores a large one", true, func() error { return put("ingest", "raw/2026/11/22/two", large) }},
		{"ingest", "writes a view", false, func() error { return put("ingest", "view/one", 10) }},
		{"ingest", "writes the journal", false, func() error { return put("ingest", "journal/one", 10) }},
		{"verify", "lists", true, func() error { return names("verify") }},
		{"verify", "reads a mail", true, func() error { return get("verify", "raw/2026/11/22/one") }},
		{"verify", "writes over it", false, func() error { return put("verify", "raw/2026/11/22/three", 10) }},
		{"verify", "reads the keyring's state", false, func() error { return get("verify", "keyring/state/1") }},
		{"scan", "reads a mail", true, func() error { return get("scan", "raw/2026/11/22/two") }},
		{"scan", "tags it", false, func() error { return as("scan").SetTags(ctx, "raw/2026/11/22/one", map[string]string{"class": "x"}) }},
		{"archive", "tags it", true, func() error {
			return as("archive").SetTags(ctx, "raw/2026/11/22/one", map[string]string{"class": "customer"})
		}},
		{"archive", "writes the journal", true, func() error { return put("archive", "journal/items/1", large) }},
		{"archive", "reads it back", true, func() error { return get("archive", "journal/items/1") }},
		{"archive", "stores a mail", false, func() error { return put("archive", "raw/2026/11/22/four", 10) }},
		{"sanitize", "renders", true, func() error { return errors.Join(put("sanitize", "view/one", 100), put("sanitize", "pii/one", 100)) }},
		{"sanitize", "stores a mail", false, func() error { return put("sanitize", "raw/2026/11/22/five", 10) }},
		{"desk", "shows", true, func() error {
			return errors.Join(get("desk", "view/one"), get("desk", "pii/one"), get("desk", "raw/2026/11/22/one"))
		}},
		{"desk", "writes a view", false, func() error { return put("desk", "view/two", 10) }},
		{"desk", "reads the journal", false, func() error { return get("desk", "journal/items/1") }},
		{"keyring", "keeps its state", true, func() error {
			return errors.Join(put("keyring", "keyring/state/1", 100), get("keyring", "keyring/state/1"))
		}},
		{"keyring", "reads a mail", false, func() error { return get("keyring", "raw/2026/11/22/one") }},
		{"rebuild", "reads the journal", true, func() error { return get("rebuild", "journal/items/1") }},
		{"rebuild", "keeps the keyring's state", true, func() error { return put("rebuild", "keyring/state/2", 100) }},
		{"rebuild", "writes the journal", false, func() error { return put("rebuild", "journal/items/2", 10) }},
		{"operator", "writes", false, func() error { return put("operator", "certificates/one", 10) }},
		{"retain", "keeps a certificate", true, func() error { return put("retain", "certificates/c1.json", 100) }},
		{"retain", "stores a mail", false, func() error { return put("retain", "raw/2026/11/22/six", 10) }},
		{"retain", "destroys", true, func() error { return destroys(ctx, settings("retain"), "raw/2026/11/22/two") }},
	} {
		if err := step.do(); (err == nil) != step.may {
			t.Errorf("%s %s: %v", step.who, step.what, err)
		}
	}
	for _, user := range []string{"ingest", "verify", "scan", "archive", "sanitize", "desk", "keyring", "operator", "rebuild"} {
		if err := destroys(ctx, settings(user), "raw/2026/11/22/one"); err == nil {
			t.Errorf("%s destroys", user)
		}
		if err := get("verify", "raw/2026/11/22/one"); err != nil {
			t.Fatalf("%s destroyed: %v", user, err)
		}
	}
}

// destroys removes every version of an object and looks that none is left.
func destroys(ctx context.Context, config s3.Config, name string) error {
	eraser, err := erase.S3(config)
	if err != nil {
		return err
	}
	_, err = eraser.Erase(ctx, name)
	return err
}
