package promise1

import (
	"net"
	"strconv"
)

func listen() (net.Listener, error)         { return net.Listen("tcp", "127.0.0.1:0") }
func portOf(l net.Listener) int             { return l.Addr().(*net.TCPAddr).Port }
func dial(address string) (net.Conn, error) { return net.Dial("tcp", address) }
func itoa(n int) string                     { return strconv.Itoa(n) }
