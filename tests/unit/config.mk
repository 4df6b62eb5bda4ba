# unit tests of the floor "config"
EXTRA_DIST += tests/data/config docs/reference/configuration.md \
	config/muxgate.schema.json
dist_check_SCRIPTS += tests/unit/check-config-schema
TESTS += tests/unit/check-config-schema
check_PROGRAMS += \
	tests/unit/test_config_bad \
	tests/unit/test_config_hostile \
	tests/unit/test_config_keys \
	tests/unit/test_config_locate \
	tests/unit/test_config_model

CONFIG_KIT = tests/unit/config_kit.c tests/unit/config_kit.h
CONFIG_TEST_LIBS = $(FLOOR_CONFIG) $(TEST_LIBS)
tests_unit_test_config_bad_SOURCES = tests/unit/test_config_bad.c $(CONFIG_KIT)
tests_unit_test_config_bad_LDADD = $(CONFIG_TEST_LIBS)
tests_unit_test_config_hostile_SOURCES = tests/unit/test_config_hostile.c $(CONFIG_KIT)
tests_unit_test_config_hostile_LDADD = $(CONFIG_TEST_LIBS)
tests_unit_test_config_keys_SOURCES = tests/unit/test_config_keys.c $(CONFIG_KIT)
tests_unit_test_config_keys_LDADD = $(CONFIG_TEST_LIBS)
tests_unit_test_config_locate_SOURCES = tests/unit/test_config_locate.c $(CONFIG_KIT)
tests_unit_test_config_locate_LDADD = $(CONFIG_TEST_LIBS)
tests_unit_test_config_model_SOURCES = tests/unit/test_config_model.c $(CONFIG_KIT)
tests_unit_test_config_model_LDADD = $(CONFIG_TEST_LIBS)
