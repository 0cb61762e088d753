package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster/redisconn"
)

// RedisTLS holds the settings for a Redis with TLS, whose redis.url begins with rediss://. Each new connection reads
// the files.
type RedisTLS struct {
	CAFile   string `koanf:"ca_file" derived:"those of the machine" doc:"the authorities, in PEM, that sign the certificates of Redis, for a redis.url with rediss://; each new connection reads it, as the other two"`
	CertFile string `koanf:"cert_file" doc:"a certificate for a Redis that wants one (tls-auth-clients), in PEM"`
	KeyFile  string `koanf:"key_file" doc:"its key"`
}

func (t RedisTLS) enabled() bool { return t != RedisTLS{} }

// trust reads the files.
func (t RedisTLS) trust() (roots *x509.CertPool, own []tls.Certificate, err error) {
	if t.CAFile != "" {
		if roots, err = authoritiesIn("redis.tls.ca_file", t.CAFile); err != nil {
			return nil, nil, err
		}
	}
	if t.CertFile != "" {
		cert, err := keyPair("redis.tls", t.CertFile, t.KeyFile)
		if err != nil {
			return nil, nil, err
		}
		own = append(own, cert)
	}
	return roots, own, nil
}

func (r Redis) check() error {
	if r.URL == "" {
		if r.TLS.enabled() {
			return errors.New("redis.tls: there is no redis.url; set it, or remove redis.tls")
		}
		return nil
	}
	if _, err := r.options(); err != nil {
		return err
	}
	t := r.TLS
	switch {
	case !t.enabled():
		return nil
	case !strings.HasPrefix(r.URL.Reveal(), "rediss://") && !strings.HasPrefix(r.URL.Reveal(), "valkeys://"):
		return errors.New("redis.tls: redis.url has no TLS; write it with rediss://, or remove redis.tls")
	case (t.CertFile == "") != (t.KeyFile == ""):
		return errors.New("redis.tls.cert_file, redis.tls.key_file: one without the other; set both")
	}
	_, _, err := t.trust()
	return err
}

// options returns the options of a Redis client.
func (r Redis) options() (rueidis.ClientOption, error) {
	option, err := redisconn.Options(r.URL.Reveal(), r.TLS.trust)
	if err != nil { // it may hold the password
		return option, errors.New("redis.url: cannot be read; write it as redis://user:password@host:6379/0, or rediss:// for TLS")
	}
	return option, nil
}

// Dial connects to Redis as a server does, within the given time, for the caller's own commands. The caller closes
// the client.
func (r Redis) Dial(within time.Duration) (rueidis.Client, error) {
	option, err := r.options()
	if err != nil {
		return nil, err
	}
	option.Dialer.Timeout, option.DisableCache, option.DisableRetry = within, true, true
	return redisconn.Connect(option)
}

// connectRedis connects to the Redis that the nodes share.
func connectRedis(cfg Redis, log *slog.Logger, m *metrics, traced bool) (*redisconn.Conn, error) {
	option, err := cfg.options()
	if err != nil {
		return nil, err
	}
	return redisconn.New(redisconn.Config{Option: option, Prefix: cfg.Prefix, Logger: log, Asked: m.askedRedis(), Traced: traced}), nil
}
