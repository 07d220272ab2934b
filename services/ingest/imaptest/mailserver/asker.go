package mailserver

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// Users are those who may sign in, all with Password.
type Users []string

// Known tells whether a user may come in.
func (u Users) Known(name, password string) bool {
	return password == Password && slices.Contains(u, name)
}

// Listen answers on a Unix socket in the server's folder, one connection at a time, as
// the daemons do that mail servers ask about passwords. It ends with the test.
func (s *Server) Listen(name string, answer func(conn io.ReadWriter)) {
	s.t.Helper()
	path := filepath.Join(s.Dir, name)
	listener, err := net.Listen("unix", path)
	Must(s.t, err)
	Must(s.t, os.Chmod(path, 0o777))
	serve(s.t, listener, answer)
}

func serve(t testing.TB, listener net.Listener, answer func(conn io.ReadWriter)) {
	var serving sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			answer(conn)
			conn.Close()
		}
	})
}
