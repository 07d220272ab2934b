package program

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// A Browser is somebody who is signed in at the desk.
type Browser struct {
	client http.Client
	origin string
}

// SignIn follows a sign-in link and presses its button.
func SignIn(t testing.TB, link string) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	b := &Browser{http.Client{Jar: jar}, address.Scheme + "://" + address.Host}
	if status, page := b.Get(t, address.Path); status != http.StatusOK || !strings.Contains(page, address.Path) {
		t.Fatalf("the page of the link answers %d", status)
	}
	if status, page := b.Post(t, address.Path, nil); status != http.StatusOK || strings.Contains(page, "/signin\"") {
		t.Fatalf("the link signs nobody in: %d", status)
	}
	if status, _ := b.Post(t, address.Path, nil); status != http.StatusGone {
		t.Errorf("the link works twice: %d", status)
	}
	return b
}

// Get asks for a page and gives the status and the text, HTML entities undone.
func (b *Browser) Get(t testing.TB, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(Context(t), http.MethodGet, b.origin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.do(t, request)
}

// Post sends a form as a page of the desk does.
func (b *Browser) Post(t testing.TB, path string, form url.Values) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(Context(t), http.MethodPost, b.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.origin)
	return b.do(t, request)
}

func (b *Browser) do(t testing.TB, request *http.Request) (int, string) {
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

// Opened gives a page that must be there.
func (b *Browser) Opened(t testing.TB, path string) string {
	t.Helper()
	status, text := b.Get(t, path)
	if status != http.StatusOK {
		t.Fatalf("%s answers %d", path, status)
	}
	return text
}

// Try asks for a page that may never be answered.
func (b *Browser) Try(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.origin+path, nil)
	if err != nil {
		return err
	}
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
