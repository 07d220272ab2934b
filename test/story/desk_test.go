package story

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-mail/postern/test/program"
)

// A browser is somebody who is signed in at the desk.
type browser struct {
	client http.Client
	origin string
}

// signIn follows a sign-in link and presses its button.
func signIn(t *testing.T, link string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{http.Client{Jar: jar}, address.Scheme + "://" + address.Host}
	if status, page := b.get(t, address.Path); status != http.StatusOK || !strings.Contains(page, address.Path) {
		t.Fatalf("the page of the link answers %d", status)
	}
	if status, page := b.post(t, address.Path, nil); status != http.StatusOK || strings.Contains(page, "/signin\"") {
		t.Fatalf("the link signs nobody in: %d", status)
	}
	if status, _ := b.post(t, address.Path, nil); status != http.StatusGone {
		t.Errorf("the link works twice: %d", status)
	}
	return b
}

func (b *browser) get(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(program.Context(t), http.MethodGet, b.origin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.do(t, request)
}

func (b *browser) post(t *testing.T, path string, form url.Values) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(program.Context(t), http.MethodPost, b.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.origin)
	return b.do(t, request)
}

func (b *browser) do(t *testing.T, request *http.Request) (int, string) {
	t.Helper()
	response, err := b.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		return response.StatusCode, html.UnescapeString(string(text))
	}
	return response.StatusCode, string(text)
}

// opened gives a page that must be there.
func (b *browser) opened(t *testing.T, path string) string {
	t.Helper()
	status, text := b.get(t, path)
	if status != http.StatusOK {
		t.Fatalf("%s answers %d", path, status)
	}
	return text
}
