package doctor

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/services/postern/fleet"
)

// serve answers connections until the test ends, and gives the port.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// clamdThatSays is the address of a clamd that gives a version.
func clamdThatSays(t *testing.T, version string) string {
	t.Helper()
	replies := map[string]string{"zPING\x00": "PONG\x00", "zVERSION\x00": version + "\x00"}
	return "tcp:127.0.0.1:" + serve(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		command, err := r.ReadString(0)
		if command == "zINSTREAM\x00" { // it finds nothing in anything
			for size := uint32(1); size > 0 && err == nil; {
				if err = binary.Read(r, binary.BigEndian, &size); err == nil {
					_, err = r.Discard(int(size))
				}
			}
			_, _ = io.WriteString(conn, "stream: OK\x00")
			return
		}
		if err == nil {
			_, _ = io.WriteString(conn, replies[command])
		}
	})
}

// signaturesFrom is what clamd 1.4 says of signatures that were made some days ago.
func signaturesFrom(days int) string {
	return "ClamAV 1.4.3/27800/" + time.Now().AddDate(0, 0, -days).Format(time.ANSIC)
}

// busOn is the port of a bus without TLS: the fleet's own, behind somebody who opens the
// TLS of it, and whose clock is off by so much.
func (p *patient) busOn(t *testing.T, off time.Duration) string {
	t.Helper()
	var config struct {
		NATS struct {
			URL    string `yaml:"url"`
			CAFile string `yaml:"ca_file"`
		} `yaml:"nats"`
	}
	if err := yaml.Unmarshal([]byte(p.config), &config); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(config.NATS.URL)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(config.NATS.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("the fleet's authority is not read")
	}
	return serve(t, func(client net.Conn) {
		server, err := net.Dial("tcp", at.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		greeting, err := bufio.NewReaderSize(server, 64<<10).ReadBytes('\n') // nothing follows before TLS
		if err != nil {
			return
		}
		secure := tls.Client(server, &tls.Config{RootCAs: roots, ServerName: at.Hostname(), MinVersion: tls.VersionTLS12})
		if _, err := client.Write(withoutTLS(t, greeting)); err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(secure, client)
			_ = server.Close()
		}()
		for from := bufio.NewReader(secure); ; {
			line, err := from.ReadBytes('\n')
			if _, failed := client.Write(anotherTime(line, off)); err != nil || failed != nil {
				return
			}
		}
	})
}

// withoutTLS is a server's greeting that asks for no TLS.
func withoutTLS(t *testing.T, greeting []byte) []byte {
	text, found := bytes.CutPrefix(greeting, []byte("INFO "))
	info := map[string]any{}
	if err := json.Unmarshal(text, &info); err != nil || !found {
		t.Errorf("the server greets with %q: %v", greeting, err)
	}
	delete(info, "tls_required")
	delete(info, "tls_available")
	changed, err := json.Marshal(info)
	if err != nil {
		t.Error(err)
	}
	return append(append([]byte("INFO "), changed...), "\r\n"...)
}

var stamp = regexp.MustCompile(`"ts":"([^"]+)"`)

// anotherTime moves the time that a server tells. Whole seconds leave its length as it is.
func anotherTime(line []byte, by time.Duration) []byte {
	return stamp.ReplaceAllFunc(line, func(told []byte) []byte {
		text := string(stamp.FindSubmatch(told)[1])
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || by == 0 {
			return told
		}
		_, fraction, _ := strings.Cut(strings.TrimSuffix(text, "Z"), ".")
		layout := "2006-01-02T15:04:05"
		if fraction != "" {
			layout += "." + strings.Repeat("0", len(fraction))
		}
		return []byte(`"ts":"` + at.Add(by).UTC().Format(layout+"Z") + `"`)
	})
}

// onBus points a configuration at a bus without TLS.
func onBus(config fleet.Section, address string) {
	nats := fleet.Below(config, "nats")
	nats["url"] = "nats://" + address
	delete(nats, "ca_file")
}
