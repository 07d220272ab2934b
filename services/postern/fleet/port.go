package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are drawn below those that systems give to whoever asks for any, so that nobody is
// given one between our looking and a server's listening.
const (
	lowestPort  = 20_000
	highestPort = 32_000
	portTries   = 200
)

var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// freePort gives a port of the loopback interface on which nobody listens, once.
func freePort() (int, error) {
	given.Lock()
	defer given.Unlock()
	for range portTries {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if given.ports[port] {
			continue
		}
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		given.ports[port] = true
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("port: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("no free port on the loopback interface")
}

func freeAddress() (string, error) {
	port, err := freePort()
	return loopback(port), err
}

// Reached is the address by which somebody on this machine reaches what listens on one: what
// listens everywhere is on the loopback interface too.
func Reached(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
