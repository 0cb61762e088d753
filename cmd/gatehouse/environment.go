package main

import (
	"regexp"
	"strings"
)

// envPrefix begins the name of every variable of Gatehouse.
const envPrefix = "GATEHOUSE_"

// envConfig names the configuration file; it is no key of the configuration.
const envConfig = "GATEHOUSE_CONFIG"

// environment is the result of os.Environ.
type environment []string

// value gives the value of a variable, empty when it is not set.
func (e environment) value(name string) string {
	for _, pair := range e {
		if k, v, ok := strings.Cut(pair, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// serviceLink matches the variables that Kubernetes puts into every container
// beside a service of the name gatehouse (or gatehouse-…): they are no
// configuration and must not keep the server from starting.
var serviceLink = regexp.MustCompile(
	`^GATEHOUSE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)$`)

// settings gives the variables that name keys of the configuration.
func (e environment) settings() []string {
	var own []string
	for _, pair := range e {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, envPrefix) && name != envConfig && name != envURL && name != envKey && name != envToken && !serviceLink.MatchString(name) {
			own = append(own, pair)
		}
	}
	return own
}

// envName is the variable of a key: jwt.hmac_secret is GATEHOUSE_JWT_HMAC_SECRET.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}
