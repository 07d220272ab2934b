module github.com/postern-mail/postern/test

go 1.26.8

require github.com/postern-mail/postern v0.0.0

replace github.com/postern-mail/postern => ../
