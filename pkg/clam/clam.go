// Package clam asks clamd for its opinion about streams of bytes, by the
// INSTREAM command of clamd(8) over a unix or TCP socket.
//
// It fails closed: a stream is clean only when clamd answered exactly
// "stream: OK" and every byte of the source was read and handed over. Anything
// else is a finding or an error, never silence. It neither starts clamd nor
// manages its signatures.
package clam

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// ErrNone says that the address is "none": the operator chose to have no clamd.
var ErrNone = errors.New("clamd: none chosen")

// Options tune a Client. Zero fields take the values of DefaultOptions.
type Options struct {
	Dial     time.Duration // to connect
	Timeout  time.Duration // for one command, from connecting to the answer
	Parallel int           // commands at once; more wait
}

// DefaultOptions suit deploy/clamd.conf: clamd gives up on a file after a minute.
var DefaultOptions = Options{Dial: 5 * time.Second, Timeout: 90 * time.Second, Parallel: 8}

// A Client talks to one clamd. It is safe for concurrent use. Each command has
// a connection of its own: a session that is shared saves a few dozen
// microseconds of a scan and mixes up the answers of streams that break.
type Client struct {
	network, address string
	options          Options
	slots            chan struct{}
}

// New is a Client of the clamd at address: "unix:PATH" or "tcp:HOST:PORT". It
// does not connect yet. For "none" the error is ErrNone.
func New(address string, options Options) (*Client, error) {
	network, where, ok := strings.Cut(address, ":")
	switch {
	case address == "none":
		return nil, ErrNone
	case !ok, network != "unix" && network != "tcp", where == "":
		return nil, fmt.Errorf("clamd address %q: want unix:PATH, tcp:HOST:PORT or none", address)
	}
	if network == "tcp" {
		host, port, err := net.SplitHostPort(where)
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("clamd address %q: want tcp:HOST:PORT", address)
		}
	}
	if options.Dial <= 0 {
		options.Dial = DefaultOptions.Dial
	}
	if options.Timeout <= 0 {
		options.Timeout = DefaultOptions.Timeout
	}
	if options.Parallel <= 0 {
		options.Parallel = DefaultOptions.Parallel
	}
	return &Client{network: network, address: where, options: options, slots: make(chan struct{}, options.Parallel)}, nil
}

// Ping asks whether clamd is there and serving.
func (c *Client) Ping(ctx context.Context) error {
	reply, err := c.command(ctx, "PING")
	if err != nil {
		return err
	}
	if reply != "PONG" {
		return fmt.Errorf("clamd ping: %w", errReply)
	}
	return nil
}

// Version is the version of clamd and of its signatures, as it says them
// ("ClamAV 1.4.6/27800/Fri Oct 10 08:00:00 2026"). It changes when signatures do.
func (c *Client) Version(ctx context.Context) (string, error) {
	reply, err := c.command(ctx, "VERSION")
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(reply, "ClamAV ") {
		return "", fmt.Errorf("clamd version: %w", errReply)
	}
	return reply, nil
}

// replyBytes is how long an answer may be; signature names are far shorter.
const replyBytes = 4096

var (
	errReply   = errors.New("reply not understood")
	errTooLong = errors.New("reply too long")
	errSource  = errors.New("source")
)

// command sends one command without a body.
func (c *Client) command(ctx context.Context, name string) (string, error) {
	conn, done, err := c.connect(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	if _, err := conn.Write([]byte("z" + name + "\x00")); err != nil {
		return "", fmt.Errorf("clamd command: %w", ended(ctx, err))
	}
	reply, err := readReply(conn)
	if err != nil {
		return "", fmt.Errorf("clamd reply: %w", ended(ctx, err))
	}
	return reply, nil
}

// connect waits for a slot and opens a connection that ends with ctx and with
// the timeout. The caller must call done.
func (c *Client) connect(ctx context.Context) (conn net.Conn, done func(), err error) {
	deadline := time.Now().Add(c.options.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	wait, cancel := context.WithDeadline(ctx, deadline)
	select {
	case c.slots <- struct{}{}:
	case <-wait.Done():
		cancel()
		return nil, nil, fmt.Errorf("clamd slot: %w", context.Cause(wait))
	}
	cancel()
	release := func() { <-c.slots }
	dialer := net.Dialer{Timeout: c.options.Dial, Deadline: deadline}
	conn, err = dialer.DialContext(ctx, c.network, c.address)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("clamd connection: %w", err)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		conn.Close()
		release()
		return nil, nil, fmt.Errorf("clamd connection: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() {
		stop()
		conn.Close()
		release()
	}, nil
}

// ended prefers the reason why the caller's context ended over what that did to
// the connection.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// readReply reads the answer to a z command: everything until clamd closes, of
// which exactly the last byte is zero.
func readReply(r io.Reader) (string, error) {
	reply, err := readAll(r)
	if err != nil {
		return "", err
	}
	return trimReply(reply)
}

// readLastWords reads the answer of a clamd that stopped reading. It closes with
// bytes of ours unread, so a reset comes behind the answer; nothing read like
// this may count as clean.
func readLastWords(r io.Reader) (string, error) {
	reply, err := readAll(r)
	if len(reply) == 0 && err != nil {
		return "", err
	}
	return trimReply(reply)
}

func readAll(r io.Reader) ([]byte, error) {
	reply, err := io.ReadAll(io.LimitReader(r, replyBytes+1))
	if len(reply) > replyBytes {
		return nil, errTooLong
	}
	return reply, err
}

func trimReply(reply []byte) (string, error) {
	switch {
	case len(reply) == 0:
		return "", io.ErrUnexpectedEOF
	case bytes.IndexByte(reply, 0) != len(reply)-1:
		return "", errReply
	}
	return string(reply[:len(reply)-1]), nil
}

// chunkBytes is how much is sent at a time: enough that the length before each
// chunk costs nothing, and little memory for each scan in flight.
const chunkBytes = 64 << 10

// send hands r over in chunks, each behind its length, and ends with an empty
// one. A source that fails is errSource, and then the end is never sent.
func send(w io.Writer, r io.Reader) error {
	if _, err := w.Write([]byte("zINSTREAM\x00")); err != nil {
		return err
	}
	buffer := make([]byte, 4+chunkBytes)
	for empty := 0; ; {
		n, err := r.Read(buffer[4:])
		if n < 0 || n > chunkBytes {
			return fmt.Errorf("%w: impossible count", errSource)
		}
		if n > 0 {
			empty = 0
			binary.BigEndian.PutUint32(buffer, uint32(n))
			if _, err := w.Write(buffer[:4+n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(errSource, err)
		}
		if n == 0 {
			if empty++; empty > 100 {
				return errors.Join(errSource, io.ErrNoProgress)
			}
		}
	}
	_, err := w.Write([]byte{0, 0, 0, 0})
	return err
}
