package main

import (
	"net"
	"strings"
	"testing"
)

func TestAnAddressThatIsTakenSaysHowAnotherIsChosen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := free(t.Context(), taken.Addr().String(), "fleet", "--listen"); err == nil || !strings.Contains(err.Error(), "make fleet FLEET='--listen 127.0.0.1:0'") {
		t.Errorf("error %v", err)
	}
	address, err := free(t.Context(), "127.0.0.1:0", "demo", "--listen")
	if err != nil || strings.HasSuffix(address, ":0") {
		t.Errorf("address %q, %v", address, err)
	}
}
