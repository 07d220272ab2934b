package fleet

import "testing"

func TestWhatListensEverywhereIsReachedOnTheLoopbackInterface(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:8080": "127.0.0.1:8080", "[::]:8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080",
		"127.0.0.1:8080": "127.0.0.1:8080", "[::1]:8080": "[::1]:8080", "192.0.2.7:8080": "192.0.2.7:8080", "desk.example:80": "desk.example:80",
	} {
		if got := Reached(address); got != want {
			t.Errorf("%s is reached at %s, want %s", address, got, want)
		}
	}
}
