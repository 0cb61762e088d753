import DefaultTheme from "vitepress/theme";
import type { Theme } from "vitepress";
import ConfigurationBuilder from "../../helpers/ConfigurationBuilder.vue";
import IoMigration from "../../helpers/IoMigration.vue";
import TokenDecoder from "../../helpers/TokenDecoder.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("ConfigurationBuilder", ConfigurationBuilder);
    app.component("IoMigration", IoMigration);
    app.component("TokenDecoder", TokenDecoder);
  },
} satisfies Theme;
