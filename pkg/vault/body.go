package vault

import (
	"fmt"
	"io"
)

// Sized is body with its announced length enforced: it ends with ErrSize when
// body is shorter or longer than size. Zero or less means unknown, and body is
// returned as it is.
func Sized(body io.Reader, size int64) io.Reader {
	if size <= 0 {
		return body
	}
	return &sized{body: body, left: size, size: size}
}

type sized struct {
	body       io.Reader
	left, size int64
}

func (s *sized) Read(p []byte) (int, error) {
	if s.left == 0 {
		var extra [1]byte
		n, err := s.body.Read(extra[:])
		if n > 0 {
			return 0, fmt.Errorf("%w: more than %d bytes", ErrSize, s.size)
		}
		return 0, err
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.body.Read(p)
	s.left -= int64(n)
	if err == io.EOF && s.left > 0 {
		return n, fmt.Errorf("%w: %d bytes short of %d", ErrSize, s.left, s.size)
	}
	return n, err
}
