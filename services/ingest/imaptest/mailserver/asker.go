package mailserver

import (
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// Users are those who may sign in, all with Password.
type Users []string

// Known tells whether a user may come in.
func (u Users) Known(name, password string) bool {
	return password == Password && slices.Contains(u, name)
}

// Listen answers on a Unix socket, as the daemons do that mail
// servers ask about passwords. It ends with the test.
func (s *Server) Listen(path string, answer func(conn io.ReadWriter)) {
	s.t.Helper()
	listener, err := net.Listen("unix", path)
	Must(s.t, err)
	Must(s.t, os.Chmod(path, 0o777))
	var serving sync.WaitGroup
	s.t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				answer(conn)
			})
		}
	})
}
